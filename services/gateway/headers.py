"""What the gateway says with every answer: to browsers, what a page may do; to caches, that nothing is kept."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from starlette.types import Message, Send

Headers = Iterable[tuple[bytes, bytes]]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    # Only what Svelte writes itself may become HTML.
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html"
)
GUARDS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
"""For the server to put on everything it sends, its own complaints about unreadable requests included."""


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
