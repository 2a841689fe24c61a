"""The network of 2021, made once for all tests, and counted once."""

import pytest

from deploy.demo.network import Network
from deploy.demo.recount import Recount


@pytest.fixture(scope="session")
def network() -> Network:
    return Network()


@pytest.fixture(scope="session")
def recount(network: Network) -> Recount:
    return Recount(network)
