"""Whatever is shown that is not in order is refused on every path. The threat table's T3, at the gateway."""

import base64
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import credentials
from shared.access.keys import INTERNAL_PUBLIC
from shared.access.permissions import Role
from shared.access.principal import person
from shared.access.token import Signer
from tests.gateway.people import Person
from tests.gateway.serving import RunningGateway

PATHS = (
    "/v1/dashboard",
    "/v1/live",
    "/v1/centres",
    "/v1/messages",
    "/health/live",
    "/openapi.json",
    "/no/such",
)
Headers = list[tuple[str, str]]


def bearer(token: str) -> Headers:
    return [("Authorization", f"Bearer {token}")]


def with_checksum(body: str) -> str:
    return f"{body}{zlib.crc32(body.encode()):08x}"


def changed(key: str, at: int) -> str:
    """Another letter in that place, and the check sum that belongs to it."""
    body = key[:-8]
    letter = "A" if body[at] != "A" else "B"
    return with_checksum(body[:at] + letter + body[at:][1:])


async def ended(gateway: RunningGateway, what: str) -> Headers:
    key = await gateway.make_key(Role.AUDITOR)
    key_id = key.split("_")[2]
    await gateway.process.database.pool.execute(f"UPDATE apikey SET {what} WHERE key_id = $1", key_id)  # noqa: S608
    return bearer(key)


async def of_a_revoked_account(gateway: RunningGateway) -> Headers:
    person = await Person.enrolled(gateway)
    made = await person.ask("POST", "/v1/keys", {"name": "theirs", "role": "coordinator", "centres": None})
    await gateway.process.database.pool.execute(
        "UPDATE account SET status = 'revoked' WHERE id = $1", await person.account_id()
    )
    return bearer(made.body["key"])


async def session_of_a_revoked_account(gateway: RunningGateway) -> Headers:
    person = await Person.enrolled(gateway)
    await gateway.process.database.pool.execute(
        "UPDATE account SET status = 'revoked' WHERE id = $1", await person.account_id()
    )
    return [("Cookie", f"{credentials.COOKIE}={person.cookie}")]


async def session_as_a_key(gateway: RunningGateway) -> Headers:
    return bearer((await Person.enrolled(gateway)).cookie)


async def from_elsewhere(gateway: RunningGateway) -> Headers:
    return bearer(await gateway.make_key(Role.AUDITOR, networks=["198.51.100.0/24"]))


def unsigned(gateway: RunningGateway) -> str:
    parts = [
        base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (b'{"alg":"none"}', b'{"sub":"person:1"}')
    ]
    return ".".join([*parts, ""])


def internal(gateway: RunningGateway, audience: str) -> str:
    return Signer(gateway.gateway.settings.keys_dir).sign(person("person:1", Role.ADMINISTRATOR), audience)


Shown = Callable[[RunningGateway], Headers | Awaitable[Headers]]
BAD: dict[str, Shown] = {
    "no key at all": lambda _: bearer(""),
    "a word": lambda _: bearer("administrator"),
    "letters that are not ASCII": lambda _: [("Authorization", "Bearer кілт")],
    "another scheme": lambda _: [("Authorization", "Basic YWRtaW46YWRtaW4=")],
    "no scheme": lambda gateway: [("Authorization", gateway.key)],
    "an empty header": lambda _: [("Authorization", "")],
    "two headers": lambda gateway: bearer(gateway.key) + bearer(gateway.key),
    "two keys in one header": lambda gateway: bearer(f"{gateway.key}, {gateway.key}"),
    "a key that was never made": lambda _: bearer(credentials.new_key("development").text),
    "a key of another environment": lambda _: bearer(credentials.new_key("production").text),
    "a key with a wrong check sum": lambda gateway: bearer(f"{gateway.key[:-8]}00000000"),
    "a key cut short": lambda gateway: bearer(gateway.key[:-1]),
    "a key with a letter more": lambda gateway: bearer(f"{gateway.key}0"),
    "a key with another secret": lambda gateway: bearer(changed(gateway.key, 30)),
    "a key id with the secret of no key": lambda gateway: bearer(
        with_checksum("_".join([*gateway.key.split("_")[:3], "A" * 43]))
    ),
    "a key in capitals": lambda gateway: bearer(gateway.key.upper()),
    "a key that was ended": lambda gateway: ended(gateway, "ended_at = now()"),
    "a key whose time is over": lambda gateway: ended(gateway, "ends_at = now() - interval '1 second'"),
    "a key of a revoked account": of_a_revoked_account,
    "a key from another network": from_elsewhere,
    "an internal token": lambda gateway: bearer(internal(gateway, "volunteers")),
    "an internal token for the gateway": lambda gateway: bearer(internal(gateway, "gateway")),
    "a token without a signature": lambda gateway: bearer(unsigned(gateway)),
    "the public key itself": lambda gateway: bearer(
        (gateway.gateway.settings.keys_dir / INTERNAL_PUBLIC).read_text().replace(" ", "")
    ),
    "a session in the wrong header": session_as_a_key,
    "a session that never was": lambda _: [("Cookie", f"{credentials.COOKIE}={credentials.new_secret()}")],
    "an empty session": lambda _: [("Cookie", f"{credentials.COOKIE}=")],
    "a session that is none": lambda _: [("Cookie", f"{credentials.COOKIE}=' OR 1=1 --")],
    "a session of a revoked account": session_of_a_revoked_account,
    "a key as a session": lambda gateway: [("Cookie", f"{credentials.COOKIE}={gateway.key}")],
}


@pytest.mark.parametrize("bad", BAD)
async def test_what_is_not_in_order_is_refused_on_every_path(gateway: RunningGateway, bad: str) -> None:
    shown = BAD[bad](gateway)
    headers = await shown if isinstance(shown, Awaitable) else shown
    gateway.process.authentication.forget()

    async with gateway.calling() as client:
        # A page is shown to anyone, and the browser forgets its session.
        for path in (*PATHS, "/en/") if headers[0][0] == "Authorization" else PATHS:
            async with client.get(path, headers=headers, allow_redirects=False) as answer:
                problem: Any = await answer.json(content_type=None)
                assert (answer.status, problem["code"]) == (401, "credentials-refused"), path
                assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert not any(value[7:] and value[7:] in str(problem) for _, value in headers)


async def test_a_key_comes_in_and_says_what_it_may(gateway: RunningGateway) -> None:
    key = await gateway.make_key(None, permissions=["donations:write"])

    async with gateway.calling(Authorization=f"bearer {key}") as client, client.get("/v1/me") as answer:
        me: Any = await answer.json()

    assert answer.status == 200
    assert (me["kind"], me["id"][:4]) == ("machine", "key:")
    assert "donations:write" in me["permissions"]
    assert not {"access:manage", "account:own", "money:read"} & set(me["permissions"])


async def test_a_key_of_a_network_comes_in_from_there(gateway: RunningGateway) -> None:
    key = await gateway.make_key(Role.AUDITOR, networks=["198.51.100.0/24", "2001:db8::/32"])

    for address, status in (("198.51.100.7", 200), ("2001:db8::1", 200), ("203.0.113.1", 401), ("2001:db9::1", 401)):
        headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": address}
        async with gateway.calling(**headers) as client, client.get("/v1/me") as answer:
            assert answer.status == status, address


async def test_a_key_in_the_address_is_not_looked_at(gateway: RunningGateway) -> None:
    async with gateway.calling() as client:
        for name in ("key", "api_key", "token", "access_token"):
            async with client.get(f"/v1/messages?{name}={gateway.key}") as answer:
                # Refused as an unknown parameter, where parameters are looked at first.
                assert answer.status in (401, 422)


async def test_a_header_that_names_a_principal_is_nobody_s(gateway: RunningGateway) -> None:
    async with (
        gateway.calling(**{"X-Internal-Principal": "person:1", "X-User": "administrator"}) as client,
        client.get("/v1/me") as answer,
    ):
        assert (await answer.json())["kind"] == "anyone"


async def test_a_key_says_when_it_was_used(gateway: RunningGateway) -> None:
    key = await gateway.make_key(Role.AUDITOR)
    used = "SELECT used_at FROM apikey WHERE key_id = $1"
    assert await gateway.process.database.pool.fetchval(used, key.split("_")[2]) is None

    async with gateway.calling(Authorization=f"Bearer {key}") as client:
        await client.get("/v1/me")

    assert await gateway.process.database.pool.fetchval(used, key.split("_")[2]) is not None


async def test_somebody_known_is_not_asked_for_at_every_request(gateway: RunningGateway) -> None:
    me = gateway.client
    await me.get("/v1/me")
    await gateway.process.database.pool.execute(
        "UPDATE apikey SET ended_at = now() WHERE key_id = $1", gateway.key.split("_")[2]
    )

    # Behind this process's back: it takes a few seconds. What it does itself holds at once (see the other tests).
    assert (await me.get("/v1/me")).status == 200
    gateway.process.authentication.forget()
    assert (await me.get("/v1/me")).status == 401


@given(text=st.text())
def test_no_text_whatever_is_taken_for_a_key(text: str) -> None:
    assert credentials.shown_key(text, "development") is None


@given(place=st.integers(0, 60), letter=st.characters(codec="ascii"))
def test_a_letter_that_was_mistyped_is_noticed_without_a_look_up(place: int, letter: str) -> None:
    key = credentials.new_key("development").text
    mistyped = key[:place] + letter + key[place + 1 :]

    assert (credentials.shown_key(mistyped, "development") is None) == (mistyped != key)


@given(before=st.text(), name=st.sampled_from(["", credentials.COOKIE]), after=st.text())
def test_no_cookie_header_breaks_the_door(before: str, name: str, after: str) -> None:
    text = before + name + after
    session = credentials.session_in(text.encode())

    assert session is None or credentials.COOKIE in text
