"""All facts in the order of application, for those who follow: in pages, and as a stream."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.gateway import queries
from services.gateway.authentication import Authentication
from services.gateway.domain import MessageUnknown
from services.gateway.limits import TooManyStreams, Visit
from services.gateway.schemas import MessagePage
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.database import CONNECTION_LOST, Database, DatabaseUnavailable
from shared.errors import Refusal, Unavailable
from shared.problems import refusals
from shared.requests import StrictRoute

router = APIRouter(prefix="/v1", tags=["messages"], route_class=StrictRoute)

_STREAM = "text/event-stream"
_PAGE = 500
_LOOK_EVERY_S = 0.25
_HEARTBEAT_EVERY = 60
"""Looks without news between two heartbeats: 15 s."""


@router.get(
    "/messages",
    response_model=MessagePage,
    responses={**refusals(MessageUnknown, TooManyStreams), 200: {"content": {_STREAM: {"schema": {"type": "string"}}}}},
    dependencies=[permits(Permission.READ_MESSAGES)],
)
async def read_messages(
    request: Request,
    after: Annotated[str | None, Query(max_length=64, description="Id of the last message you have.")] = None,
    limit: Annotated[int, Query(ge=1, description=f"At most {_PAGE}; more is taken as that.")] = 100,
    stream: Annotated[bool, Query(description="The same as `Accept: text/event-stream`.")] = False,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> Response:
    """Messages after one that you have, oldest first; with `Accept: text/event-stream` as an endless stream."""
    database: Database = request.app.state.database
    if stream or _STREAM in accept:
        position = await queries.position_of(database.pool, last_event_id or after)
        visit: Visit = request.state.visit
        visit.stay()
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        events = _events(database, position, closing=request.app.state.closing, may_stay=lambda: _may_stay(request))
        return StreamingResponse(events, media_type=_STREAM, headers=headers)
    position = await queries.position_of(database.pool, after)
    limit = min(limit, _PAGE)
    rows = await queries.messages_after(database.pool, position, limit)
    body = b'{"items":[' + b",".join(row["body"].encode() for row in rows) + b"]"
    if len(rows) == limit:
        url = request.url.include_query_params(after=rows[-1]["message_id"])
        body += b',"next":' + orjson.dumps(f"{url.path}?{url.query}")
    return Response(body + b"}", media_type="application/json", headers={"Cache-Control": "no-store"})


async def _may_stay(request: Request) -> bool:
    """Whether who follows could still come in: a stream outlives the request's credentials, but not for long."""
    authentication: Authentication = request.app.state.authentication
    try:
        known = await authentication.known(request.scope)
    except Unavailable:
        return True
    except Refusal:
        return False
    return known.principal.may(Permission.READ_MESSAGES)


async def _events(
    database: Database, position: int, *, closing: asyncio.Event, may_stay: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes]:
    looks = quiet = 0
    while not closing.is_set():
        looks += 1
        if looks % _HEARTBEAT_EVERY == 0 and not await may_stay():
            return
        rows = []
        # Who follows need not notice that the database was away for a moment.
        with contextlib.suppress(*CONNECTION_LOST, DatabaseUnavailable):
            rows = await queries.messages_after(database.pool, position, _PAGE)
        for row in rows:
            position = row["position"]
            yield f"id: {row['message_id']}\nevent: message\ndata: {row['body']}\n\n".encode()
        quiet = 0 if rows else quiet + 1
        if quiet == _HEARTBEAT_EVERY:
            quiet = 0
            yield b": hb\n\n"
        if not rows:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await closing.wait()
    yield b"retry: 2000\n\n"
