"""The page of the problems: every way in which a request can be refused."""

from collections.abc import Iterator

from deploy.reference import markdown
from services.charity import app as _charity
from services.events import app as _events
from services.gateway import app as _gateway
from services.volunteers import app as _volunteers
from shared import requests as _requests
from shared.errors import Refusal
from shared.problems import STATUS, problem_of

READ = (_volunteers, _events, _charity, _gateway, _requests)
"""Imported so that every refusal is there to be found."""
OF_HTTP = (
    ("validation-failed", 422, "Some fields are not as they must be; `errors` names each."),
    ("malformed-request", 400, "The request cannot be read."),
    ("not-found", 404, "There is nothing at this address."),
    ("method-not-allowed", 405, "This address does not take that method."),
    ("payload-too-large", 413, "The request is larger than is accepted; send it in parts."),
    ("unsupported-media-type", 415, "Send JSON, with content-type application/json."),
    ("internal", 500, "Something went wrong on our side; nothing was changed."),
)
"""What any address may answer before a command is reached."""


def page() -> str:
    rows = [
        (f"`{kind.code()}`", problem_of(kind()).status, kind.title(), _where(kind))
        for kind in sorted(kinds(), key=lambda kind: (kind.code(), _where(kind)))
    ]
    return markdown.page(
        "Problems",
        "A request that is refused is answered with `application/problem+json` (RFC 9457): `code` for a program, "
        "`title` and sometimes `detail` for a person, `errors` with a JSON Pointer to each field at fault, and a "
        "`trace_id` to ask us about. `type` is `/problems/` and the code; it names the problem and is not an address. "
        "Nothing was changed. In a batch each row carries its own problem.",
        "`503` means: try again, the answer says when (`Retry-After`). With an `Idempotency-Key` that is safe for "
        "every POST.",
        "## From any address",
        markdown.table(("code", "status", "meaning"), [(f"`{c}`", status, title) for c, status, title in OF_HTTP]),
        "## From commands and questions",
        markdown.table(("code", "status", "meaning", "service"), rows),
    )


def kinds() -> list[type[Refusal]]:
    """Every refusal of the system; the categories themselves are not among them."""
    return [
        kind for kind in _below(Refusal) if kind not in STATUS and kind.__module__.startswith(("shared", "services"))
    ]


def _below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for lower in kind.__subclasses__():
        yield lower
        yield from _below(lower)


def _where(kind: type[Refusal]) -> str:
    package, _, rest = kind.__module__.partition(".")
    return rest.partition(".")[0] if package == "services" else "all"
