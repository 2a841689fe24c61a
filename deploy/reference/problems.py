"""The page of the problems: every way in which a request can be refused."""

from collections.abc import Iterator

from deploy.reference import markdown
from services.charity import app as _charity
from services.events import app as _events
from services.gateway import app as _gateway
from services.volunteers import app as _volunteers
from shared import requests as _requests
from shared.errors import Refusal
from shared.problems import OF_HTTP, STATUS, status_of

READ = (_volunteers, _events, _charity, _gateway, _requests)
"""Imported so that every refusal is there to be found."""


def page() -> str:
    rows = [
        (f"`{kind.code()}`", status_of(kind), kind.title(), _where(kind))
        for kind in sorted(kinds(), key=lambda kind: (kind.code(), _where(kind)))
    ]
    return markdown.page(
        "Problems",
        "A request that is refused is answered with `application/problem+json` (RFC 9457): `code` for a program, "
        "`title` and sometimes `detail` for a person, `errors` with a JSON Pointer to each field at fault, and a "
        "`trace_id` to ask us about. `type` is `/problems/` and the code; it names the problem and is not an address. "
        "Nothing was changed. In a batch each row carries its own problem. `title`, `detail` and the messages of "
        "`errors` are in the language of `Accept-Language` (Kazakh, Russian or English; English where the request does "
        "not say), `code` and `type` never change.",
        "`503` means: try again, the answer says when (`Retry-After`). With an `Idempotency-Key` that is safe for "
        "every POST.",
        "## From any address",
        markdown.table(
            ("code", "status", "meaning"), [(f"`{kind.code()}`", status_of(kind), kind.title()) for kind in OF_HTTP]
        ),
        "## From commands and questions",
        markdown.table(("code", "status", "meaning", "service"), rows),
    )


def kinds() -> list[type[Refusal]]:
    """Every refusal of the system; the categories themselves are not among them."""
    return [
        kind
        for kind in _below(Refusal)
        if kind not in STATUS and kind not in OF_HTTP and kind.__module__.startswith(("shared", "services"))
    ]


def _below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for lower in kind.__subclasses__():
        yield lower
        yield from _below(lower)


def _where(kind: type[Refusal]) -> str:
    package, _, rest = kind.__module__.partition(".")
    return rest.partition(".")[0] if package == "services" else "all"
