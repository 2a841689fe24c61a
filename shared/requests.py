"""One request is one transaction, committed before the answer leaves.

FastAPI runs what follows a dependency's `yield` once the response is on its way, so a failing commit would still answer
201. Here the route itself wraps the handler: answer made, idempotency record added, all committed, then sent.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from shared import clock, idempotency
from shared.access.doors import caller, permission_of, require
from shared.access.permissions import Permission
from shared.database import TRY_AGAIN, Database, Transaction
from shared.errors import Refusal, Unavailable
from shared.sealed import Seal

ATTEMPTS = 5
FILES_AT_ONCE = 4
_REQUIRED = "idempotency_required"
_UNREMEMBERED = "answer_unremembered"
_TAKES_FILES = "takes_files"

Answering = Callable[[Request], Coroutine[Any, Any, Response]]


class Busy(Unavailable):
    """Too many requests want the same thing at this moment; try again."""


class TransactionRoute(APIRoute):
    """A route whose handler runs in a transaction of its own, which reaches what the caller has the permission for."""

    def get_route_handler(self) -> Answering:
        """Raises: TypeError: the route does not say who may come in, so nobody may."""
        handle = super().get_route_handler()
        permission = permission_of(self.dependencies)
        if permission is None:
            raise TypeError(f"{self.path} declares no permission")
        required = getattr(self.endpoint, _REQUIRED, False)
        writes = bool((self.methods or set()) - {"GET", "HEAD"}) and not getattr(self.endpoint, _UNREMEMBERED, False)
        operation = self.path

        async def in_a_transaction(request: Request) -> Response:
            database: Database = request.app.state.database
            principal = caller(request)
            attempt = None
            if writes:
                attempt = await idempotency.attempt_of(
                    request, principal=principal.id, operation=operation, required=required
                )
            for _ in range(ATTEMPTS):
                try:
                    async with database.transaction(principal.reach(permission)) as tx:
                        request.state.transaction = tx
                        response = await handle(request)
                        if attempt is not None:
                            attempt.remember(tx, request.app.state.seal, response, at=clock.now())
                except TRY_AGAIN:
                    # Another transaction stood in the way and went first. Nothing has happened yet: once more.
                    continue
                except Refusal:
                    # A repeat is refused by what its first time left behind: then the first answer is the answer.
                    answered = attempt and await attempt.answer(database, request.app.state.seal)
                    if answered:
                        return answered
                    raise
                else:
                    return response
            raise Busy

        takes_files = getattr(self.endpoint, _TAKES_FILES, False)
        return _one_of_few(in_a_transaction, permission) if takes_files else in_a_transaction


def _one_of_few(answer: Answering, permission: Permission) -> Answering:
    places = asyncio.Semaphore(FILES_AT_ONCE)

    async def answer_if_there_is_a_place(request: Request) -> Response:
        # Before any of the file is read: who may not send one takes nobody's place.
        require(caller(request), permission)
        if places.locked():
            raise Busy
        async with places:
            return await answer(request)

    return answer_if_there_is_a_place


async def _transaction(request: Request) -> Transaction:
    return request.state.transaction


async def _seal(request: Request) -> Seal:
    return request.app.state.seal


Tx = Annotated[Transaction, Depends(_transaction)]
Sealing = Annotated[Seal, Depends(_seal)]


def needs_idempotency_key(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse the request without an Idempotency-Key: for what moves money."""
    setattr(endpoint, _REQUIRED, True)
    return endpoint


def never_remembered(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Keep no answer for an Idempotency-Key: it would hold in one place what is sealed in many.

    For what only reads. A repeat reads again, and is written in the journal again.
    """
    setattr(endpoint, _UNREMEMBERED, True)
    return endpoint


def takes_files(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Let few of these requests in at a time: each holds a file in memory. The others are told to come again."""
    setattr(endpoint, _TAKES_FILES, True)
    return endpoint


def router(prefix: str, *, tags: list[str]) -> APIRouter:
    """A service's router: every route of it is a `TransactionRoute`."""
    return APIRouter(prefix=prefix, tags=list(tags), route_class=TransactionRoute)
