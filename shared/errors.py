"""The ways a command can be refused. Services subclass these; nothing here knows HTTP."""

import re
from collections.abc import Sequence
from inspect import cleandoc


class Refusal(Exception):
    """The request was understood, and the answer is no."""

    def __init__(self, detail: str | None = None, *, pointer: str | None = None) -> None:
        """`pointer` is a JSON Pointer to the field at fault, such as `/starts_at`."""
        super().__init__(detail or self.title())
        self.detail = detail
        self.pointer = pointer

    @classmethod
    def title(cls) -> str:
        """The docstring's first line: what a person is told."""
        return cleandoc(cls.__doc__ or cls.__name__).splitlines()[0]

    @classmethod
    def code(cls) -> str:
        """The class name in kebab case: what a program is told. Stable for ever."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()


class RuleBroken(Refusal):
    """A rule forbids this."""


class Conflict(Refusal):
    """This collides with something that already exists."""


class NotFound(Refusal):
    """Nothing here has that identifier."""


class Forbidden(Refusal):
    """The caller may not do this."""


class Unauthenticated(Refusal):
    """The caller is not known."""


class Malformed(Refusal):
    """The request cannot be read."""


class Unavailable(Refusal):
    """A part that is needed does not answer at the moment; try again."""


class TooMany(Refusal):
    """The caller asks for more than their share."""

    def __init__(self, detail: str | None = None, *, retry_after_s: int = 1, policies: Sequence[str] = ()) -> None:
        """`retry_after_s`: when to come back; `policies`: the names of the quotas that are used up."""
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        self.policies = policies


class AlreadyExists(Conflict):
    """Something with this id exists already."""


class Stale(Conflict):
    """Someone else changed this at the same moment; read it again."""
