"""Where a request comes from. Who says so for others, the server has settled before: `trusted_proxies`."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.types import Scope

_NETWORK_OF_ONE = 64
"""Bits of an IPv6 address that one subscriber cannot choose."""
_FORWARDED = frozenset({b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via"})


def address_of(scope: Scope) -> str:
    """What tells anonymous callers apart: the address; of IPv6, the network that one subscriber is given."""
    return f"address:{_network_of(_host_of(scope))}"


def is_from_here(scope: Scope) -> bool:
    """Whether somebody on this very machine asks, and not for somebody else."""
    # A server in front may be on this machine too, without our having been told.
    if any(name in _FORWARDED for name, _ in scope["headers"]):
        return False
    try:
        return ip_address(_host_of(scope)).is_loopback
    except ValueError:
        return False


def _host_of(scope: Scope) -> str:
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else ""


@lru_cache(maxsize=4096)
def _network_of(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), _NETWORK_OF_ONE), strict=False))
