"""Short questions by HTTP to the parts on this machine, past any proxy that the environment names."""

import http.client
import json
from typing import Any, cast

_TIMEOUT_S = 2.0


def get(port: int, path: str, *, host: str = "127.0.0.1", timeout_s: float = _TIMEOUT_S) -> tuple[int, bytes]:
    """Status and body; status 0 when nobody answers in time."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def is_ok(port: int, path: str, *, host: str = "127.0.0.1") -> bool:
    """Whether the answer is 200."""
    return get(port, path, host=host)[0] == http.client.OK


def get_object(
    port: int, path: str, *, host: str = "127.0.0.1", timeout_s: float = _TIMEOUT_S
) -> dict[str, Any] | None:
    """The JSON object that is answered; None when there is no such answer."""
    status, body = get(port, path, host=host, timeout_s=timeout_s)
    if status != http.client.OK:
        return None
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else None
