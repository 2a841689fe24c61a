"""All facts in the order of application, for those who follow: in pages, and as a stream."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.gateway import queries
from services.gateway.domain import MessageUnknown
from services.gateway.generations import Generations
from services.gateway.schemas import MessagePage
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.problems import refusals

router = APIRouter(prefix="/v1", tags=["messages"])

_STREAM = "text/event-stream"
_PAGE = 500
_LOOK_EVERY_S = 0.25
_HEARTBEAT_EVERY = 60
"""Looks without news between two heartbeats: 15 s."""


@router.get(
    "/messages",
    response_model=MessagePage,
    responses={**refusals(MessageUnknown), 200: {"content": {_STREAM: {"schema": {"type": "string"}}}}},
    dependencies=[permits(Permission.READ_MESSAGES)],
)
async def read_messages(
    request: Request,
    after: Annotated[str | None, Query(max_length=64, description="Id of the last message you have.")] = None,
    limit: Annotated[int, Query(ge=1, le=_PAGE)] = 100,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> Response:
    """Messages after one that you have, oldest first. With `Accept: text/event-stream` the same as an endless stream."""
    generations: Generations = request.app.state.generations
    if _STREAM in accept:
        position = await queries.position_of(generations.active, last_event_id or after)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_stream(request, generations, position), media_type=_STREAM, headers=headers)
    position = await queries.position_of(generations.active, after)
    rows = await queries.messages_after(generations.active, position, limit)
    body = b'{"items":[' + b",".join(row["body"].encode() for row in rows) + b"]"
    if len(rows) == limit:
        url = request.url.include_query_params(after=rows[-1]["message_id"])
        body += b',"next":' + orjson.dumps(f"{url.path}?{url.query}")
    return Response(body + b"}", media_type="application/json", headers={"Cache-Control": "no-store"})


async def _stream(request: Request, generations: Generations, position: int) -> AsyncGenerator[bytes]:
    closing: asyncio.Event = request.app.state.closing
    quiet = 0
    while not closing.is_set():
        rows = await queries.messages_after(generations.active, position, _PAGE)
        for row in rows:
            position = row["position"]
            yield f"id: {row['message_id']}\nevent: message\ndata: {row['body']}\n\n".encode()
        quiet = 0 if rows else quiet + 1
        if quiet == _HEARTBEAT_EVERY:
            quiet = 0
            yield b": hb\n\n"
        if not rows:
            await asyncio.sleep(_LOOK_EVERY_S)
    yield b"retry: 2000\n\n"
