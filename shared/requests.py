"""One request is one transaction, committed before the answer leaves.

FastAPI runs what follows a dependency's `yield` once the response is on its way, so a failing commit would still answer
201. Here the route itself wraps the handler: answer made, idempotency record added, all committed, then sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property, partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from shared import clock, failpoints
from shared.access.doors import caller, permission_of, require
from shared.access.permissions import Permission
from shared.access.principal import Reach
from shared.conventions import SAYS, Asked, Conventions, needs_idempotency_key, never_remembered
from shared.database import TRY_AGAIN, Database, Transaction
from shared.errors import PreconditionFailed, Refusal, Stale, Unavailable
from shared.idempotency import IdempotencyInProgress
from shared.metrics import REPLAYS
from shared.plain import plain as plain_of
from shared.sealed import Seal

__all__ = [
    "Sealing",
    "StrictRoute",
    "TransactionRoute",
    "Tx",
    "needs_idempotency_key",
    "never_remembered",
    "router",
    "takes_files",
]

ATTEMPTS = 5
FILES_AT_ONCE = 4
_TAKES_FILES = "takes_files"
_CREATED, _OK, _REFUSED_FROM = 201, 200, 400

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Busy(Unavailable):
    """Too many requests want the same thing at this moment; try again."""


class StrictRoute(APIRoute):
    """A route without a transaction, which knows what it may be asked."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        conventions = Conventions(self)

        async def strictly(request: Request) -> Response:
            conventions.refuse_unknown(request)
            return await handle(request)

        return strictly


class TransactionRoute(APIRoute):
    """A route whose handler runs in a transaction of its own, which reaches what the caller has the permission for."""

    def __init__(self, *arguments: Any, **others: Any) -> None:
        super().__init__(*arguments, **others)
        self.openapi_extra = {**(self.openapi_extra or {}), SAYS: Conventions(self).says}

    def get_route_handler(self) -> Handler:
        """Raises: TypeError: the route does not say who may come in, so nobody may."""
        handle = super().get_route_handler()

        async def read(_: Request) -> Handler:
            return handle

        answer = self._in_a_transaction(read)
        return _one_of_few(answer, self._permission) if self._takes_files else answer

    @cached_property
    def directly(self) -> Handler | None:
        """The same without FastAPI's way through a request, where the route is plain (`shared.direct`)."""
        plain = plain_of(self)
        # What else goes around the handler must not be left out.
        if plain is None or self._takes_files or type(self) is not TransactionRoute:
            return None

        async def read(request: Request) -> Handler:
            return partial(plain.answer, given=await plain.read(request))

        return self._in_a_transaction(read)

    @property
    def _takes_files(self) -> bool:
        return getattr(self.endpoint, _TAKES_FILES, False)

    @property
    def _permission(self) -> Permission:
        permission = permission_of(self.dependencies)
        if permission is None:
            raise TypeError(f"{self.path} declares no permission")
        return permission

    def _in_a_transaction(self, read: Callable[[Request], Awaitable[Handler]]) -> Handler:
        permission, conventions = self._permission, Conventions(self)

        async def in_a_transaction(request: Request) -> Response:
            principal = caller(request)
            # Before anything else that a stranger could be told.
            require(principal, permission)
            handle = await read(request)
            asked = await conventions.asked(request, principal)
            for _ in range(ATTEMPTS):
                try:
                    response = await _once(request, handle, asked, principal.reach(permission))
                except TRY_AGAIN as error:
                    # Another transaction stood in the way and went first. Nothing has happened yet: once more.
                    if asked.attempt is not None and asked.attempt.is_behind(error):
                        raise IdempotencyInProgress from error
                except Refusal as refusal:
                    response = await _instead(request, asked, refusal)
                    return conventions.dressed(request, response)
                else:
                    return response if asked.rehearsed else conventions.dressed(request, response)
            raise Busy

        return in_a_transaction


def _one_of_few(answer: Handler, permission: Permission) -> Handler:
    places = asyncio.Semaphore(FILES_AT_ONCE)

    async def answer_if_there_is_a_place(request: Request) -> Response:
        # Before any of the file is read: who may not send one takes nobody's place.
        require(caller(request), permission)
        if places.locked():
            raise Busy
        async with places:
            return await answer(request)

    return answer_if_there_is_a_place


async def _once(request: Request, handle: Handler, asked: Asked, reach: Reach) -> Response:
    database: Database = request.app.state.database
    async with database.transaction(reach) as tx:
        request.state.transaction = tx
        tx.expected = asked.expected
        response = await (_rehearse(tx, request, handle) if asked.rehearsed else handle(request))
        if tx.expected is not None:
            raise LookupError("nothing has looked at the version that the request insists on")
        if asked.attempt is not None and response.status_code < _REFUSED_FROM:
            asked.attempt.remember(tx, request.app.state.seal, response, at=clock.now())
        failpoints.reach("api.before_commit")
    failpoints.reach("api.after_commit_before_response")
    return response


async def _rehearse(tx: Transaction, request: Request, handle: Handler) -> Response:
    """What the request would be answered. Nothing comes into being, so nothing has an address."""
    async with tx.rehearsal():
        response = await handle(request)
    if response.status_code == _CREATED:
        response.status_code = _OK
    del response.headers["Location"]
    return response


async def _instead(request: Request, asked: Asked, refusal: Refusal) -> Response:
    """The answer to a request that was refused, if there is one.

    A repeat is refused by what its first time left behind: then the first answer is the answer.

    Raises:
        Refusal: there is none.
    """
    if asked.attempt is not None:
        answered = await asked.attempt.answer(request.app.state.database, request.app.state.seal)
        if answered is not None:
            REPLAYS.inc()
            return answered
    if asked.expected is not None and isinstance(refusal, Stale):
        raise PreconditionFailed from refusal
    raise refusal


async def _transaction(request: Request) -> Transaction:
    return request.state.transaction


async def _seal(request: Request) -> Seal:
    return request.app.state.seal


Tx = Annotated[Transaction, Depends(_transaction)]
Sealing = Annotated[Seal, Depends(_seal)]


def takes_files(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Let few of these requests in at a time: each holds a file in memory. The others are told to come again."""
    setattr(endpoint, _TAKES_FILES, True)
    return endpoint


def router(prefix: str, *, tags: list[str]) -> APIRouter:
    """A service's router: every route of it is a `TransactionRoute`."""
    return APIRouter(prefix=prefix, tags=list(tags), route_class=TransactionRoute)
