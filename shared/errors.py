"""The ways a request can be refused. Services subclass these; nothing here knows HTTP."""

import re
from collections.abc import Sequence
from inspect import cleandoc
from typing import Any


class Refusal(Exception):
    """The request was understood, and the answer is no."""

    def __init__(self, detail: str | None = None, *, pointer: str | None = None, **facts: Any) -> None:
        """`pointer` is a JSON Pointer to the field at fault, such as `/starts_at`.

        `facts` fill the braces of `detail`, here and in other languages (`shared.words`): codes and numbers of ours,
        never what was sent.
        """
        super().__init__(detail or self.title())
        self.detail = detail and detail.format(**facts)
        self.pointer = pointer
        self.facts = facts

    @classmethod
    def title(cls) -> str:
        """The docstring's first line: what a person is told."""
        return cleandoc(cls.__doc__ or cls.__name__).splitlines()[0]

    @classmethod
    def code(cls) -> str:
        """The class name in kebab case: what a program is told. Stable for ever."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()


class Malformed(Refusal):
    """The request cannot be read."""


class Unauthenticated(Refusal):
    """The caller is not known."""


class Forbidden(Refusal):
    """The caller may not do this."""


class NotFound(Refusal):
    """There is nothing at this address."""


class Gone(Refusal):
    """There was something here, and it is no more."""


class OutOfReach(NotFound):
    """There is no such record within your reach."""


class MethodNotAllowed(Refusal):
    """This address does not take that method."""


class Conflict(Refusal):
    """This collides with something that already exists."""


class PreconditionFailed(Refusal):
    """Someone has changed this since you read it; read it again."""


class PayloadTooLarge(Refusal):
    """The request is larger than is accepted; send it in parts."""


class UnsupportedMediaType(Refusal):
    """Send JSON, with content-type application/json."""


class RuleBroken(Refusal):
    """A rule forbids this."""


class PreconditionRequired(Refusal):
    """This request needs an If-Match header with the ETag of what you have read, so that no change is lost."""


class Internal(Refusal):
    """Something went wrong on our side; nothing was changed."""


class Unavailable(Refusal):
    """A part that is needed does not answer at the moment; try again."""


class TooMany(Refusal):
    """The caller asks for more than their share."""

    def __init__(self, detail: str | None = None, *, retry_after_s: int = 1, policies: Sequence[str] = ()) -> None:
        """`retry_after_s`: when to come back; `policies`: the names of the quotas that are used up."""
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        self.policies = policies


class MalformedRequest(Malformed):
    """The request cannot be read."""


class ValidationFailed(RuleBroken):
    """Some fields are not as they must be."""


class ValueNotStorable(RuleBroken):
    """A value is outside of what can be stored."""


class AlreadyExists(Conflict):
    """Something with this id exists already."""


class Stale(Conflict):
    """Someone else changed this at the same moment; read it again."""
