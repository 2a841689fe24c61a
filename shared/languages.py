"""The languages that Asar speaks, and in which one a caller is answered."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeGuard

from starlette.types import ASGIApp, Receive, Scope, Send

Language = Literal["kk", "ru", "en"]
LANGUAGES: tuple[Language, ...] = ("kk", "ru", "en")

_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
_WISHES_MAX = 20
# Who sends no Accept-Language is a program: its log is read beside this documentation, which is in English.
_spoken: ContextVar[Language] = ContextVar("spoken", default="en")


def is_language(code: str | None) -> TypeGuard[Language]:
    return code in LANGUAGES


def preferred(accepted: str, *, chosen: str | None = None) -> Language:
    """The language to answer in: the one chosen before, else the best of an Accept-Language, else Kazakh.

    `kk-KZ` is Kazakh; `*` stands for what is not named; of two wishes of one quality the first counts (RFC 9110,
    section 12.5.4).
    """
    if is_language(chosen):
        return chosen
    wishes: dict[str, float] = {}
    for wish in accepted.split(",")[:_WISHES_MAX]:
        tag, _, quality = wish.replace(" ", "").lower().partition(";q=")
        if not quality or _QUALITY.fullmatch(quality):
            wishes.setdefault(tag.split("-")[0], float(quality or 1))
    named: list[tuple[float, Language]] = [(quality, tag) for tag, quality in wishes.items() if is_language(tag)]
    others: list[tuple[float, Language]] = [
        (wishes.get("*", 0.0), language) for language in LANGUAGES if language not in wishes
    ]
    quality, language = max([*named, *others], key=lambda wish: wish[0])
    return language if quality > 0 else "kk"


def spoken() -> Language:
    """The language of the request that is being answered; English outside of one."""
    return _spoken.get()


@contextmanager
def speaking(language: Language) -> Generator[None]:
    """Within the block, speak this language, whoever listens."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


@contextmanager
def listening(scope: Scope) -> Generator[None]:
    """Within the block, speak the language that this request asks for."""
    accepted = next((value for name, value in scope["headers"] if name == b"accept-language"), b"")
    before = _spoken.set(preferred(accepted.decode("latin-1"))) if accepted.strip() else None
    try:
        yield
    finally:
        if before is not None:
            _spoken.reset(before)


class Listening:
    """Plain ASGI middleware: each request is answered in its language."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with listening(scope):
            await self._app(scope, receive, send)
