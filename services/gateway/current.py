"""The figures asked for once more: bytes that are made once per change leave by the shortest way (decision 0030).

What has yet to be made, or cannot be, and whatever is asked for in unusual words, is left to the route in `routes`.
"""

import time
from functools import lru_cache
from urllib.parse import parse_qsl

from starlette.types import Scope, Send

from services.gateway.headers import Headers
from services.gateway.states import States, Topic
from shared.access.permissions import Permission
from shared.access.principal import Principal
from shared.database import CONNECTION_LOST
from shared.errors import Refusal
from shared.metrics import LATENCY, REQUESTS
from shared.preconditions import IF_NONE_MATCH, is_known

PATH = "/v1/dashboard"
_WORDS = ("scope", "from", "to")
_IF_NONE_MATCH = IF_NONE_MATCH.encode()
_OK, _NOT_MODIFIED = 200, 304
_ANSWERED = {status: REQUESTS.labels("GET", PATH, str(status)) for status in (_OK, _NOT_MODIFIED)}
_TOOK = LATENCY.labels("GET", PATH)


class Current:
    """Answers with states that are made already."""

    def __init__(self, states: States) -> None:
        self._states = states

    async def answer(self, principal: Principal, scope: Scope, send: Send, more: Headers) -> bool:
        """Answer a GET, if that can be done; returns whether it was. `more`: headers that the answer has as well."""
        began = time.perf_counter()
        topic = _topic(scope["query_string"])
        if topic is None or not principal.may(Permission.READ_FIGURES):
            return False
        try:
            mark = await self._states.mark()
        except (Refusal, *CONNECTION_LOST):
            return False
        known = next((value for name, value in scope["headers"] if name == _IF_NONE_MATCH), None)
        if known is not None and is_known(f'"{mark}"', known.decode("latin-1")):
            status, headers, body = _NOT_MODIFIED, [(b"etag", f'"{mark}"'.encode())], b""
        elif (state := self._states.made(topic, mark)) is not None:
            status, headers, body = _OK, state.headers, state.body
        else:
            return False
        # No span: nothing happens that a trace could tell of.
        _TOOK.observe(time.perf_counter() - began)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (b"cache-control", b"no-cache"), *more],
            }
        )
        await send({"type": "http.response.body", "body": body})
        _ANSWERED[status].inc()
        return True


@lru_cache(maxsize=4096)
def _topic(query: bytes) -> Topic | None:
    asked = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    words = dict(asked)
    if len(words) < len(asked) or not words.keys() <= set(_WORDS):
        return None
    try:
        return Topic.parse(*(words.get(word) for word in _WORDS))
    except Refusal:
        return None
