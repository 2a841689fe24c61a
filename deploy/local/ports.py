"""Loopback ports for the parts that nobody outside needs to find."""

import random
import socket
from collections.abc import Set as AbstractSet

from deploy.local.refusals import CannotRun

# Below the range from which systems number outgoing connections: a remembered port is still free next time.
_FIRST, _LAST = 20_000, 32_000
_BACKLOG = 2048


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there, for others to take connections from.

    Raises:
        CannotRun: it is not to be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CannotRun(f"Nothing can listen on port {port} of {host}: {error.strerror}.") from error


def free_ports(number: int) -> list[int]:
    """So many different ones.

    Raises:
        CannotRun: too few were found.
    """
    chosen: list[int] = []
    while len(chosen) < number:
        chosen.append(free_port(avoid=set(chosen)))
    return chosen


def free_port(*, avoid: AbstractSet[int] = frozenset()) -> int:
    """A loopback port that nobody uses at the moment.

    Raises:
        CannotRun: no free one was found.
    """
    for _ in range(500):
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - not a secret
        if port not in avoid and is_free(port):
            return port
    raise CannotRun(f"No free port between {_FIRST} and {_LAST} was found on this machine.")
