"""Somebody who visits the pages with forms: keeps cookies, follows what a page leads to, reads what stands on it."""

import re
from dataclasses import dataclass
from html import unescape
from typing import Any

from tests.gateway.serving import RunningGateway

FORM = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True)
class Seen:
    """A page that came back."""

    status: int
    headers: dict[str, str]
    html: str
    address: str
    cookies: list[str]
    """What it set, as it was set."""

    @property
    def title(self) -> str:
        return self._within("title")

    @property
    def language(self) -> str:
        return self._found(r'<html lang="(\w+)"')

    @property
    def problem(self) -> str:
        """The head of what is wrong."""
        return self._found(r'role="alert"[^>]*>\s*<h2>(.*?)</h2>')

    def wrong(self, field: str) -> str:
        """What stands at a field that is wrong."""
        return self._found(rf'id="{field}-error">(.*?)</p>')

    def value(self, field: str) -> str:
        """What a field holds."""
        return self._found(rf'<input id="{field}"[^>]*? value="([^"]*)"')

    def secret(self, field: str) -> str:
        """What is shown this once."""
        return self._found(rf'<textarea class="secret" id="{field}"[^>]*>(.*?)</textarea>')

    def links(self, pattern: str) -> list[str]:
        """The addresses of links and forms that match."""
        return [unescape(found) for found in re.findall(rf'(?:href|action)="({pattern})"', self.html)]

    def _within(self, tag: str) -> str:
        return self._found(rf"<{tag}>(.*?)</{tag}>")

    def _found(self, pattern: str) -> str:
        found = re.search(pattern, self.html, re.DOTALL)
        return unescape(found[1].strip()) if found else ""


class Visitor:
    """A browser without a script."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway
        self.cookies: dict[str, str] = {}

    async def get(self, path: str, **headers: str) -> Seen:
        """The page at an address, wherever it leads."""
        return await self._ask("GET", path, None, headers)

    async def send(self, path: str, fields: dict[str, Any] | None = None, **headers: str) -> Seen:
        """What comes of a form that is sent."""
        return await self._ask("POST", path, fields or {}, FORM | headers)

    async def enrolled(self, token: str, **fields: str) -> Seen:
        """What comes of following an invitation's link."""
        shown = await self.get(f"/enrolment/{token}", Accept_Language="en")
        return await self.send(shown.address, fields)

    async def _ask(self, method: str, path: str, fields: dict[str, Any] | None, headers: dict[str, str]) -> Seen:
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with (
            self.gateway.calling() as client,
            client.request(method, path, data=_multi(fields), headers=sent, allow_redirects=False) as answer,
        ):
            cookies = answer.headers.getall("Set-Cookie", [])
            for cookie in cookies:
                name, _, value = cookie.partition(";")[0].partition("=")
                self.cookies[name] = value
                if not value:
                    del self.cookies[name]
            if answer.status in (302, 303, 307):
                # A browser does not send a form again where it is sent on to.
                kept = {name: value for name, value in headers.items() if name == "Accept_Language"}
                return await self._ask("GET", answer.headers["Location"], None, kept)
            got = {name.lower(): value for name, value in answer.headers.items()}
            return Seen(answer.status, got, await answer.text(), path, cookies)


def _multi(fields: dict[str, Any] | None) -> Any:
    if fields is None:
        return None
    return [(name, one) for name, given in fields.items() for one in (given if isinstance(given, list) else [given])]
