"""Signing in elsewhere: an issuer says who people are, and what they may is said here."""

import base64
import hmac
import time
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from services.gateway import oidc
from services.gateway.settings import GatewaySettings
from shared.access.permissions import Role
from tests.gateway.issuer import AUDIENCE, CLIENT, SECRET, OwnIssuer
from tests.gateway.people import Answer, Browser, Person
from tests.gateway.reading import ReadModelUnderTest
from tests.gateway.serving import RunningGateway

_numbers = count(1)


@pytest.fixture
async def issuer(anyio_backend: str) -> AsyncIterator[OwnIssuer]:
    async with OwnIssuer() as running:
        yield running


@pytest.fixture
async def here(
    shared_settings: GatewaySettings, model: ReadModelUnderTest, issuer: OwnIssuer, tmp_path: Path
) -> AsyncIterator[RunningGateway]:
    """A gateway whose people may sign in at the issuer."""
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n", encoding="utf-8")
    own = {
        "oidc_issuer": issuer.url,
        "oidc_client_id": CLIENT,
        "oidc_client_secret_file": str(secret),
        "oidc_audience": AUDIENCE,
    }
    async with RunningGateway(shared_settings.model_copy(update=own)) as running:
        yield running


@pytest.fixture
def subject() -> str:
    return f"somebody-{next(_numbers)}"


class Visitor(Browser):
    """A browser that goes to the issuer and back."""

    journey = ""

    async def depart(self) -> str:
        answer = await self.ask("GET", "/sign-in/oidc")
        assert answer.status == 302
        self.journey = answer.headers["set-cookie"].partition(";")[0]
        assert answer.headers["set-cookie"].endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")
        return answer.headers["location"]

    async def arrive(self, path: str) -> Answer:
        own = f"__Host-sid={self.cookie}; " if self.cookie else ""
        # The link that leads back is another site's.
        answer = await self.ask("GET", path, None, cookie=own + self.journey, sec_fetch_site="cross-site")
        if answer.status == 303:
            self.cookie = answer.cookies["__Host-sid"]
        return answer


async def bearing(gateway: RunningGateway, token: str) -> tuple[int, Any]:
    async with gateway.calling(Authorization=f"Bearer {token}") as client, client.get("/v1/me") as answer:
        return answer.status, await answer.json(content_type=None)


# --- browsers ---------------------------------------------------------------------------------------------------------


async def test_the_first_time_somebody_arrives_they_may_nothing_until_they_are_given_it(
    here: RunningGateway, issuer: OwnIssuer, subject: str
) -> None:
    manager, visitor = await Person.enrolled(here, Role.ADMINISTRATOR), Visitor(here)

    arrived = await visitor.arrive(issuer.sign_in(await visitor.depart(), subject))
    me = await visitor.me()

    assert (arrived.status, arrived.headers["location"]) == (303, "/")
    assert arrived.cookies["__Host-oidc"] == ""
    assert (me["status"], me["name"], me["grants"], me["login"]) == ("pending", "Айгүл", [], None)
    assert "volunteers:read" not in me["permissions"]

    grants = f"/v1/accounts/{await visitor.account_id()}/grants"
    assert (await manager.ask("POST", grants, {"role": "auditor", "centres": None})).status == 201
    me = await visitor.me()
    assert (me["status"], [grant["role"] for grant in me["grants"]]) == ("active", ["auditor"])
    assert (await visitor.ask("GET", "/v1/messages")).status == 200


async def test_somebody_who_comes_again_is_the_same(here: RunningGateway, issuer: OwnIssuer, subject: str) -> None:
    first, second = Visitor(here), Visitor(here)
    for visitor in (first, second):
        await visitor.arrive(issuer.sign_in(await visitor.depart(), subject))

    assert await first.account_id() == await second.account_id()
    before = first.cookie
    await first.arrive(issuer.sign_in(await first.depart(), subject))
    assert first.cookie != before


async def test_who_was_revoked_here_does_not_come_in(here: RunningGateway, issuer: OwnIssuer, subject: str) -> None:
    manager, visitor = await Person.enrolled(here, Role.ADMINISTRATOR), Visitor(here)
    await visitor.arrive(issuer.sign_in(await visitor.depart(), subject))
    await manager.ask("POST", f"/v1/accounts/{await visitor.account_id()}/revocations")

    again = Visitor(here)
    answer = await again.arrive(issuer.sign_in(await again.depart(), subject))

    assert (answer.status, answer.code) == (401, "credentials-refused")
    assert (await bearing(here, issuer.token(subject)))[0] == 401


async def test_a_way_back_is_its_own_browser_s_and_works_once(
    here: RunningGateway, issuer: OwnIssuer, subject: str
) -> None:
    visitor, stranger = Visitor(here), Visitor(here)
    back = issuer.sign_in(await visitor.depart(), subject)

    assert (await stranger.arrive(back)).code == "credentials-refused"
    await stranger.depart()
    assert (await stranger.arrive(back)).code == "credentials-refused"
    assert (await visitor.arrive(back.replace("state=", "state=x"))).code == "credentials-refused"
    assert (await visitor.arrive(back)).status == 303
    visitor.cookie = ""
    assert (await visitor.arrive(back)).code == "credentials-refused"


async def test_a_way_back_ends(
    here: RunningGateway, issuer: OwnIssuer, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor(here)
    monkeypatch.setattr(oidc, "BACK_WITHIN_S", -1)
    back = issuer.sign_in(await visitor.depart(), subject)

    assert (await visitor.arrive(back)).code == "credentials-refused"


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"}, {"nonce": None}, {"aud": "another"}, {"aud": AUDIENCE}, {"iss": "https://elsewhere.example"},
        {"exp": 1}, {"exp": None}, {"sub": None}, {"aud": [CLIENT, "other"], "azp": "other"},
    ],
    ids=str,
)  # fmt: skip
async def test_what_the_issuer_says_of_another_visit_is_not_taken(
    here: RunningGateway, issuer: OwnIssuer, subject: str, claims: dict[str, Any]
) -> None:
    visitor = Visitor(here)
    issuer.claims = claims

    answer = await visitor.arrive(issuer.sign_in(await visitor.depart(), subject))

    assert (answer.status, answer.code) == (401, "credentials-refused")


@pytest.mark.parametrize(
    "describes",
    [{"issuer": "https://elsewhere.example"}, {"token_endpoint": "ftp://elsewhere.example"}, {"jwks_uri": None}],
    ids=str,
)
async def test_an_issuer_that_describes_another_is_not_believed(
    here: RunningGateway, issuer: OwnIssuer, describes: dict[str, Any]
) -> None:
    issuer.describes = describes

    assert (await Browser(here).ask("GET", "/sign-in/oidc")).code == "issuer-unavailable"


async def test_without_an_issuer_nobody_signs_in_elsewhere(gateway: RunningGateway) -> None:
    assert (await Browser(gateway).ask("GET", "/sign-in/oidc")).code == "sign-in-elsewhere-unset"
    assert (await Browser(gateway).ask("GET", "/sign-in/oidc/callback?code=1&state=2")).status == 404


# --- programs ---------------------------------------------------------------------------------------------------------


async def test_a_program_brings_the_issuer_s_token(here: RunningGateway, issuer: OwnIssuer, subject: str) -> None:
    status, me = await bearing(here, issuer.token(subject, locale="ru-KZ"))

    assert (status, me["kind"], me["status"], me["language"]) == (200, "person", "pending", "ru")
    assert (await bearing(here, issuer.token(subject)))[1]["id"] == me["id"]


async def test_a_new_key_of_the_issuer_is_fetched_but_not_for_every_token(
    here: RunningGateway, issuer: OwnIssuer, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await bearing(here, issuer.token(subject)))[0] == 200
    issuer.renew_key()

    # Within the minute nobody makes us ask again.
    for n in range(5):
        assert (await bearing(here, issuer.token(subject, jti=str(n))))[0] == 401
    assert issuer.keys_asked == 1

    monkeypatch.setattr(oidc, "_KEYS_AGAIN_S", 0.0)
    assert (await bearing(here, issuer.token(subject)))[0] == 200
    assert issuer.keys_asked == 2


async def test_while_the_issuer_is_away_one_is_told_so(here: RunningGateway, issuer: OwnIssuer, subject: str) -> None:
    token = issuer.token(subject)
    await issuer.__aexit__(None, None, None)

    status, problem = await bearing(here, token)

    assert (status, problem["code"]) == (503, "issuer-unavailable")


STRANGER = RSAKey.generate_key(2048, {"kid": "one"})


def at(seconds: int) -> int:
    """So many seconds from now, when it is asked: a suite runs for long."""
    return int(time.time()) + seconds


def _signed_with_the_public_key(issuer: OwnIssuer) -> str:
    # By hand: joserfc makes no such key.
    _, payload, _ = issuer.token("x").split(".")
    signed = _base64(b'{"alg":"HS256","kid":"one"}') + f".{payload}"
    return f"{signed}.{_base64(hmac.digest(issuer.key.as_pem(private=False), signed.encode(), 'sha256'))}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unsigned(issuer: OwnIssuer) -> str:
    _, payload, _ = issuer.token("x").split(".")
    return _base64(b'{"alg":"none","kid":"one"}') + f".{payload}."


BAD: dict[str, Callable[[OwnIssuer], str]] = {
    "unsigned": _unsigned,
    "signed by HMAC with the public key": _signed_with_the_public_key,
    "signed by a stranger": lambda i: i.token("x", key=STRANGER),
    "signed by a stranger who brings the key": lambda i: i.token(
        "x", key=STRANGER, header={"jwk": STRANGER.as_dict(private=False)}
    ),
    "signed by a stranger who says where the key is": lambda i: i.token(
        "x", key=STRANGER, header={"jku": f"{i.url}/keys", "x5u": f"{i.url}/keys"}
    ),
    "under an unknown name": lambda i: i.token("x", key=ECKey.generate_key("P-256", {"kid": "other"})),
    "under no name": lambda i: i.token("x", header={"kid": None}),
    "under a name that is a number": lambda i: i.token("x", header={"kid": "1"}),
    "cut short": lambda i: i.token("x")[:-4],
    "of another issuer": lambda i: i.token("x", iss="https://elsewhere.example"),
    "of an issuer written otherwise": lambda i: i.token("x", iss=f"{i.url}/"),
    "of no issuer": lambda i: i.token("x", iss=None),
    "for the sign-in page": lambda i: i.token("x", aud=CLIENT),
    "for somebody else": lambda i: i.token("x", aud=["one", "other"]),
    "for nobody": lambda i: i.token("x", aud=None),
    "expired": lambda i: i.token("x", iat=at(-600), exp=at(-300)),
    "without an end": lambda i: i.token("x", exp=None),
    "with an end in words": lambda i: i.token("x", exp="tomorrow"),
    "not yet": lambda i: i.token("x", nbf=at(600)),
    "from the future": lambda i: i.token("x", iat=at(600), exp=at(900)),
    "of nobody": lambda i: i.token("x", sub=None),
    "of a number": lambda i: i.token("x", sub=1),
}


@pytest.mark.parametrize("bad", BAD)
async def test_any_other_token_is_refused(here: RunningGateway, issuer: OwnIssuer, bad: str) -> None:
    status, problem = await bearing(here, BAD[bad](issuer))

    assert (status, problem["code"]) == (401, "credentials-refused")


async def test_where_no_audience_is_set_no_token_is_taken(
    shared_settings: GatewaySettings, model: ReadModelUnderTest, issuer: OwnIssuer, subject: str
) -> None:
    settings = shared_settings.model_copy(update={"oidc_issuer": issuer.url, "oidc_client_id": CLIENT})
    async with RunningGateway(settings) as gateway:
        assert (await bearing(gateway, issuer.token(subject)))[0] == 401
        assert (await bearing(gateway, issuer.token(subject, aud="")))[0] == 401
