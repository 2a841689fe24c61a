"""People at the gateway: they accept an invitation, keep their cookie and ask."""

from itertools import count
from typing import Any, Self
from uuid import UUID

import orjson

from services.gateway.commands import accounts
from services.gateway.credentials import COOKIE
from services.gateway.schemas.access import Invite
from shared import clock
from shared.access.permissions import Role
from shared.access.principal import EVERYTHING
from shared.sealed import Seal
from tests.gateway.serving import RunningGateway

PASSWORD = "four words in no order"
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}

_numbers = count(1)


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes, set_cookies: list[str]) -> None:
        self.status = status
        self.set_cookies = set_cookies
        self.headers = headers
        self.body: Any = orjson.loads(body) if body else None

    @property
    def cookies(self) -> dict[str, str]:
        """What the browser is to keep, or with an empty value to forget."""
        return dict(one.partition(";")[0].split("=", 1) for one in self.set_cookies)

    @property
    def code(self) -> str | None:
        """The problem's code."""
        return self.body.get("code") if isinstance(self.body, dict) else None


class Browser:
    """Keeps one cookie and says where its requests come from, as browsers do."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway
        self.cookie = ""
        self.set_cookie = ""
        self.login = ""

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str | None) -> Answer:
        sent: dict[str, str] = {"User-Agent": "A browser", **SAME_SITE}
        if self.cookie:
            sent["Cookie"] = f"{COOKIE}={self.cookie}"
        for name, value in headers.items():
            sent[name.replace("_", "-").title()] = value or ""
        async with (
            self.gateway.calling() as client,
            client.request(
                method, path, json=body, headers={n: v for n, v in sent.items() if v}, allow_redirects=False
            ) as answer,
        ):
            got = {name.lower(): value for name, value in answer.headers.items()}
            given = Answer(answer.status, got, await answer.read(), answer.headers.getall("Set-Cookie", []))
        for one in given.set_cookies:
            if one.startswith(COOKIE):
                self.set_cookie, self.cookie = one, given.cookies[COOKIE]
        return given

    async def sign_in(self, login: str, password: str = PASSWORD, **headers: str | None) -> Answer:
        return await self.ask("POST", "/v1/sessions", {"login": login, "password": password}, **headers)

    async def me(self) -> Any:
        return (await self.ask("GET", "/v1/me")).body

    async def account_id(self) -> UUID:
        return UUID((await self.me())["id"].removeprefix("person:"))


class Person(Browser):
    """Somebody who has an account and is signed in."""

    @classmethod
    async def enrolled(cls, gateway: RunningGateway, role: Role = Role.COORDINATOR, **grant: Any) -> Self:
        """Somebody who has accepted an operator's invitation: for the whole republic unless centres are named."""
        person = cls(gateway)
        person.login = f"somebody{next(_numbers)}@example.org"
        answer = await person.enrol(await link(gateway, role, **grant))
        assert answer.status == 201, answer.body
        return person

    async def enrol(self, token: str, **form: Any) -> Answer:
        wanted = {"token": token, "login": self.login, "name": "Айгүл", "language": "kk", "password": PASSWORD}
        return await self.ask("POST", "/v1/enrolments", wanted | form)


async def link(gateway: RunningGateway, role: Role = Role.COORDINATOR, **grant: Any) -> str:
    """The secret of a link that an operator has made."""
    form = Invite(**{"for_whom": "somebody", "role": role, "centres": None} | grant)
    async with gateway.process.database.transaction(EVERYTHING) as tx:
        seal = Seal(gateway.gateway.settings.keys_dir)
        _, secret = accounts.invite(tx, form, by="operator", seal=seal, now=clock.now())
    return secret
