"""The list of policies, into which each enters itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.cluster import BASE, DEVELOPMENT, PRODUCTION, Cluster

Complaints = Iterator[str]
EVERYWHERE = (BASE, DEVELOPMENT, PRODUCTION)


@dataclass(frozen=True)
class Policy:
    """A policy and the kustomizations that must keep to it."""

    complaints: Callable[[Cluster], Complaints]
    folders: tuple[Path, ...]

    @property
    def name(self) -> str:
        return self.complaints.__name__


POLICIES: dict[str, Policy] = {}


def policy(*folders: Path) -> Callable[[Callable[[Cluster], Complaints]], Callable[[Cluster], Complaints]]:
    """Have what is decorated asked of these kustomizations; of all if none is named."""

    def register(complaints: Callable[[Cluster], Complaints]) -> Callable[[Cluster], Complaints]:
        POLICIES[complaints.__name__] = Policy(complaints, folders or EVERYWHERE)
        return complaints

    return register
