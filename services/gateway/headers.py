"""What the gateway says with every answer: to browsers, what a page may do; to caches, that nothing is kept."""

from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Any

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Send

Headers = Iterable[tuple[bytes, bytes]]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    # Only what Svelte writes itself may become HTML.
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html"
)
_GUARDS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_ONLY_HTTPS = ("Strict-Transport-Security", "max-age=31536000")
_FOR_SCRIPTS = ("ETag", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotency-Replayed")


def guards(*, https: bool) -> list[tuple[str, str]]:
    """For the server to put on everything it sends, its own complaints about unreadable requests included.

    `https`: people come by it, so a browser is told never to try without.
    """
    return [*_GUARDS, _ONLY_HTTPS] if https else [*_GUARDS]


def for_origins(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """The same application for scripts of these other sites. They call with a key; a cookie is of no use to them."""
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Prefer"],
        allow_credentials=False,
        expose_headers=_FOR_SCRIPTS,
    )


def with_headers(send: Send, more: Headers) -> Callable[[Message], Coroutine[Any, Any, None]]:
    """A `send` that adds these to an answer, and tells caches to keep nothing unless the answer says otherwise."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: list[tuple[bytes, bytes]] = [*message.get("headers", ()), *more]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message["headers"] = headers
        await send(message)

    return sending
