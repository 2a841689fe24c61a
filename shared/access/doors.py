"""How a route learns who calls and declares who may. A route that declares nothing fails the house rules' test."""

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from shared.access.permissions import Permission
from shared.access.principal import Principal
from shared.access.token import TokenRefused, Verifier
from shared.errors import Forbidden, Unauthenticated

BEARER = "Bearer "


class NotPermitted(Forbidden):
    """Your role does not allow this."""


class SignInRequired(Unauthenticated):
    """Only those who are known may do this: sign in, or send an API key."""


def caller(request: Request) -> Principal:
    """The principal of this request, from the internal token.

    Raises:
        TokenRefused: there is no valid one.
    """
    known = getattr(request.state, "principal", None)
    if known is None:
        authorization = request.headers.get("authorization", "")
        if not authorization.startswith(BEARER):
            raise TokenRefused
        verifier: Verifier = request.app.state.verifier
        known = request.state.principal = verifier.verify(authorization.removeprefix(BEARER))
    return known


async def _caller(request: Request) -> Principal:
    # `async`, or FastAPI sends it to a thread, which halves the rate.
    return caller(request)


Caller = Annotated[Principal, Depends(_caller)]


def require(principal: Principal, permission: Permission) -> None:
    """Raises: SignInRequired, NotPermitted."""
    if not principal.may(permission):
        raise SignInRequired if principal.kind == "anyone" else NotPermitted


class _Permits(SecurityBase):
    scheme_name = "principal"
    model = HTTPBearer(description="Each operation names the permission that it asks for.")

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> None:
        require(caller(request), self.permission)


def permits(permission: Permission) -> Any:
    """For a route's `dependencies`: only principals with this permission come in, and OpenAPI says so."""
    return Security(_Permits(permission), scopes=[permission.value])


def permission_of(dependencies: list[Any]) -> Permission | None:
    """Which permission a route declares, if any."""
    for dependency in dependencies:
        if isinstance(dependency.dependency, _Permits):
            return dependency.dependency.permission
    return None
