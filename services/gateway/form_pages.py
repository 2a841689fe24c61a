"""Pages with forms, made here and without a script: shown, sent to their own address, shown again with what is wrong.

One function is one page. A form is sent to the page's own address; what is refused shows the same page once more, with
the reason at its field and all that was typed but passwords. What was done leads on to another page (303), so that
reloading never does it twice.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import jinja2
from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from services.gateway import formats
from services.gateway.authentication import CrossSite, Known, is_same_site
from services.gateway.queries import access as queries
from services.gateway.words import TEXTS, WORDS
from shared import words
from shared.access.doors import SignInRequired
from shared.access.permissions import Permission
from shared.clock import civil_day
from shared.database import CONNECTION_LOST, DatabaseUnavailable, is_ours
from shared.errors import NotFound, Refusal, TooMany, ValidationFailed
from shared.forms import Form
from shared.languages import LANGUAGES, Language, is_language
from shared.metrics import PROBLEMS
from shared.problems import headers_of, status_of
from shared.requests import Sealing, TransactionRoute, Tx

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates") / "access"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_BROWSERS = {"Edg": "Edge", "OPR": "Opera", "YaBrowser": "Yandex", "SamsungBrowser": "Samsung", "Firefox": "Firefox",
             "FxiOS": "Firefox", "CriOS": "Chrome", "Chrome": "Chrome", "Safari": "Safari"}  # fmt: skip
_SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS X": "macOS",
            "CrOS": "ChromeOS", "Linux": "Linux"}  # fmt: skip
"""By what they say they are: those that also say that they are another come first."""
_FIELDS_MAX = 2_000
_UNAUTHENTICATED = 401
_SECONDS = 60

F = TypeVar("F", bound=Form)


class FormRefused(ValidationFailed):
    """Some fields are not as they must be."""

    def __init__(self, *, errors: Sequence[Any] = ()) -> None:
        super().__init__()
        self.errors = errors


@dataclass(frozen=True)
class Wrong:
    """What is wrong with one field."""

    field: str
    message: str


class Asked:
    """One request for a page, or a form that was sent to it."""

    def __init__(self, request: Request, language: Language, typed: FormData, me: Mapping[str, Any] | None) -> None:
        self.request = request
        self.language: Language = language
        self.typed = typed
        self.me = me
        """Whose page it is: their account, if they have signed in."""
        self.text = TEXTS[language]
        self.known: Known = request.state.known
        self.refused: Refusal | None = request.state.refused
        """Why the form was refused that was sent: then its page is shown again."""
        self.is_sent = request.method == "POST" and self.refused is None

    # --- what was sent ------------------------------------------------------------------------------------------------

    def field(self, name: str) -> str:
        value = self.typed.get(name)
        return value if isinstance(value, str) else ""

    def fields(self, name: str) -> list[str]:
        """Every value of one name: all boxes that are ticked."""
        return [value for value in self.typed.getlist(name) if isinstance(value, str)]

    def form(self, kind: type[F], **values: Any) -> F:
        """What was sent, as a command takes it; a field that was left empty is absent.

        Raises:
            FormRefused: some of it is not as it must be.
        """
        try:
            return kind.model_validate({name: value for name, value in values.items() if value != ""})
        except ValidationError as error:
            raise FormRefused(errors=error.errors()) from None

    # --- what is answered ---------------------------------------------------------------------------------------------

    def to(self, address: str, **query: str) -> str:
        """The address of another page in the same language."""
        return f"/{self.language}/{address}" + (f"?{urlencode(query)}" if query else "")

    def leave(self, address: str, *, done: str) -> Response:
        """On to another page, which says what was done."""
        return RedirectResponse(self.to(address, done=done), 303)

    def show(self, template: str, **more: Any) -> HTMLResponse:
        """This page; what was refused stands on it."""
        status, headers = 200, {"Cache-Control": "no-store"}
        if self.refused is not None:
            PROBLEMS.labels(self.refused.code()).inc()
            status = status_of(type(self.refused))
            headers |= headers_of(self.refused)
        if status == _UNAUTHENTICATED:
            # No answer of that status may be without (RFC 9110, section 15.5.2); to a browser it means nothing.
            headers["WWW-Authenticate"] = "Bearer"
        return HTMLResponse(self.render(template, **more), status, headers)

    def ask(self, what: str, *, back: str, about: str = "", dangerous: bool = False) -> HTMLResponse:
        """A page that only asks whether it shall be done."""
        return self.show("ask.html", what=what, back=back, about=about, dangerous=dangerous)

    def render(self, template: str, **more: Any) -> str:
        url = self.request.url
        query = f"?{url.query}" if url.query else ""
        # Behind the language.
        place = url.path.partition("/")[2].partition("/")[2]
        done = self.request.query_params.get("done", "")
        return _TEMPLATES.get_template(template).render(
            page=self,
            lang=self.language,
            w=SimpleNamespace(**self.text),
            here=url.path + query,
            languages={known: f"/{known}/{place}{query}" for known in LANGUAGES},
            language_names={known: WORDS[known].language_name for known in LANGUAGES},
            name=WORDS[self.language].name,
            manages=self.known.principal.may(Permission.MANAGE_ACCESS),
            problem=self.problem,
            later=self.later,
            wrong={wrong.field: wrong for wrong in self.wrong},
            done=self.text.get(f"done_{done}"),
            at=self.at,
            day=self.day,
            browser=self.browser,
            **more,
        )

    @property
    def problem(self) -> str | None:
        """Why it was refused, in this page's language, whatever the browser asks for."""
        if self.refused is None:
            return None
        # What names fields of JSON has other words here.
        return self.text.get(f"wrong_{self.refused.code()}") or words.title(type(self.refused), self.language)

    @property
    def later(self) -> str | None:
        """When to try again, if that helps."""
        if not isinstance(self.refused, TooMany):
            return None
        return self.text["try_again"].format(minutes=ceil(self.refused.retry_after_s / _SECONDS))

    @property
    def wrong(self) -> list[Wrong]:
        """What is wrong with which field."""
        if isinstance(self.refused, FormRefused):
            return [
                Wrong(
                    str(error["loc"][0]) if error["loc"] else "",
                    self.text.get(f"wrong_{error['type']}") or words.message(error, self.language),
                )
                for error in self.refused.errors
            ]
        if self.refused is not None and self.refused.pointer is not None and self.problem is not None:
            return [Wrong(self.refused.pointer.split("/")[1], self.problem)]
        return []

    def at(self, instant: datetime) -> str:
        return formats.instant(self.language, instant)

    def day(self, instant: datetime) -> str:
        return formats.day_long(self.language, civil_day(instant))

    def browser(self, agent: str) -> str:
        """What a browser calls itself, in a word or two."""
        found = [next((name for sign, name in known.items() if sign in agent), None) for known in (_BROWSERS, _SYSTEMS)]
        return " · ".join(name for name in found if name) or self.text["unknown_browser"]


class PageRoute(TransactionRoute):
    """A page: who has to sign in first is sent there, and all that is refused is said on a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            request.state.refused = None
            if request.method == "POST" and not is_same_site(request.scope):
                return _refused(request, CrossSite())
            try:
                return await handle(request)
            except SignInRequired:
                return _to_sign_in(request)
            except Refusal as refusal:
                return await again(request, refusal)
            except RequestValidationError:
                # No form is read that way: something in the address is no id, or nothing that is known here.
                return _refused(request, NotFound())
            except CONNECTION_LOST as error:
                if not is_ours(error):
                    raise
                return _refused(request, DatabaseUnavailable())

        async def again(request: Request, refusal: Refusal) -> Response:
            """The page that a refused form was sent to, if it can be shown."""
            if request.method != "POST":
                return _refused(request, refusal)
            request.state.refused = refusal
            try:
                return await handle(request)
            except Refusal as reason:
                return _refused(request, reason)

        return shown


async def _asked(
    request: Request,
    language: str,
    tx: Tx,
    seal: Sealing,
    # Known to every page, since whoever changes the language takes them along.
    _next: Annotated[str, Query(alias="next")] = "",
    _done: Annotated[str, Query(alias="done")] = "",
) -> Asked:
    """Raises: NotFound."""
    if not is_language(language):
        raise NotFound
    typed = FormData()
    if request.method == "POST":
        # Read once: the page that is shown again is given the same.
        typed = request.state.typed = getattr(request.state, "typed", None) or await request.form(
            max_files=0, max_fields=_FIELDS_MAX
        )
    own = request.state.known.account_id
    return Asked(request, language, typed, None if own is None else await queries.account(tx, own, seal=seal))


Page = Annotated[Asked, Depends(_asked)]


def router() -> APIRouter:
    """A router of pages; each takes GET and POST, and all answers are pages."""
    return APIRouter(prefix="/{language}", include_in_schema=False, route_class=PageRoute)


def local(address: str) -> str | None:
    """An address of this very site, as it was given; None for all others, and for what may be read as another."""
    plain = address.isascii() and address.isprintable() and " " not in address and "\\" not in address
    return address if plain and address.startswith("/") and not address.startswith("//") else None


def _language_of(request: Request) -> Language:
    first = request.url.path.split("/")[1]
    return first if is_language(first) else "kk"


def _to_sign_in(request: Request) -> Response:
    back = {"next": f"{request.url.path}?{request.url.query}".rstrip("?")}
    return RedirectResponse(f"/{_language_of(request)}/sign-in?{urlencode(back)}", 303)


def _refused(request: Request, refusal: Refusal) -> Response:
    """A page of its own that says why there is no other."""
    request.state.refused = refusal
    return Asked(request, _language_of(request), FormData(), None).show("refused.html")
