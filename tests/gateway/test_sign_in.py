"""Signing in: what comes in, what stays out, and what ends it. The threat table's T2."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.gateway import credentials, passwords
from services.gateway.domain import access as domain
from shared import clock
from shared.access.permissions import Role
from tests.gateway.people import PASSWORD, Browser, Person, link
from tests.gateway.serving import RunningGateway


async def rows(gateway: RunningGateway, sql: str, *arguments: Any) -> list[Any]:
    return await gateway.process.database.pool.fetch(sql, *arguments)


async def test_the_right_password_begins_a_session(gateway: RunningGateway) -> None:
    login = (await Person.enrolled(gateway)).login
    browser = Browser(gateway)

    answer = await browser.sign_in(login.upper())

    assert answer.status == 201
    assert (answer.body["login"], answer.body["name"], answer.body["kind"]) == (login, "Айгүл", "person")
    assert (await browser.ask("GET", "/v1/sessions")).status == 200
    assert set(browser.set_cookie.split("; ")[1:]) == {
        "Max-Age=43200", "Path=/", "Secure", "HttpOnly", "SameSite=Lax",
    }  # fmt: skip
    assert browser.set_cookie.startswith("__Host-sid=")
    assert answer.headers["cache-control"] == "no-store"


async def test_an_unknown_login_and_a_wrong_password_get_the_same_answer(gateway: RunningGateway) -> None:
    person = await Person.enrolled(gateway)

    wrong = await Browser(gateway).sign_in(person.login, "another password altogether")
    unknown = await Browser(gateway).sign_in("nobody@example.org", "another password altogether")

    assert (wrong.status, wrong.code) == (401, "sign-in-refused")
    wrong.body.pop("trace_id", None)
    unknown.body.pop("trace_id", None)
    assert (wrong.status, wrong.body) == (unknown.status, unknown.body)


async def test_an_unknown_login_costs_a_hash_as_well(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    verify = passwords._verified  # noqa: SLF001

    def counting(password: str, kept: str) -> bool:
        verified.append(kept)
        return verify(password, kept)

    monkeypatch.setattr(passwords, "_verified", counting)
    await Browser(gateway).sign_in("nobody@example.org")

    assert [kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$") for kept in verified] == [True]


async def test_twenty_bad_passwords_are_stopped_while_others_still_get_in(gateway: RunningGateway) -> None:
    victim, other = await Person.enrolled(gateway), await Person.enrolled(gateway)
    here = {"x_forwarded_for": "192.0.2.1"}

    answers = [await Browser(gateway).sign_in(victim.login, f"a wrong password {n}", **here) for n in range(20)]

    assert [answer.status for answer in answers] == [401] * 10 + [429] * 10
    assert answers[-1].code == "too-many-sign-ins"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 900
    # Not even the right password gets in from there now, but another person does, and the victim from elsewhere.
    assert (await Browser(gateway).sign_in(victim.login, **here)).status == 429
    assert (await Browser(gateway).sign_in(other.login, **here)).status == 201
    assert (await Browser(gateway).sign_in(victim.login, x_forwarded_for="192.0.2.2")).status == 201


async def test_of_many_guesses_at_once_no_more_get_through(gateway: RunningGateway) -> None:
    victim = await Person.enrolled(gateway)
    here = {"x_forwarded_for": "192.0.2.3"}

    guesses = [Browser(gateway).sign_in(victim.login, f"a wrong password {n}", **here) for n in range(15)]
    statuses = sorted(answer.status for answer in await asyncio.gather(*guesses))

    assert statuses == [401] * 10 + [429] * 5


async def test_one_address_cannot_try_one_login_after_the_other(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_verified", lambda *_: False)
    here = {"x_forwarded_for": "192.0.2.4"}

    answers = [await Browser(gateway).sign_in(f"guess{n}@example.org", **here) for n in range(51)]

    assert [answer.status for answer in answers] == [401] * 50 + [429]


async def test_failures_are_forgotten_after_a_while_and_by_signing_in(gateway: RunningGateway) -> None:
    person, here = await Person.enrolled(gateway), {"x_forwarded_for": "192.0.2.5"}
    for n in range(9):
        await Browser(gateway).sign_in(person.login, f"a wrong password {n}", **here)
    assert (await Browser(gateway).sign_in(person.login, **here)).status == 201
    for n in range(10):
        assert (await Browser(gateway).sign_in(person.login, f"a wrong password {n}", **here)).status == 401
    assert (await Browser(gateway).sign_in(person.login, **here)).status == 429

    await rows(gateway, "UPDATE failedsignins SET began_at = began_at - $1::interval", domain.SIGN_IN_WINDOW)

    assert (await Browser(gateway).sign_in(person.login, **here)).status == 201


async def test_signing_out_kills_the_cookie(gateway: RunningGateway) -> None:
    person = await Person.enrolled(gateway)
    stolen = Browser(gateway)
    stolen.cookie = person.cookie
    assert (await stolen.ask("GET", "/v1/sessions")).status == 200

    out = await person.ask("DELETE", "/v1/sessions/current")

    assert (out.status, person.set_cookie.partition("; Path")[0]) == (204, "__Host-sid=; Max-Age=0")
    assert (await stolen.ask("GET", "/v1/sessions")).status == 401


async def test_signing_in_anew_replaces_the_session(gateway: RunningGateway) -> None:
    person = await Person.enrolled(gateway)
    before = Browser(gateway)
    before.cookie = person.cookie

    assert (await person.sign_in(person.login)).status == 201

    assert person.cookie != before.cookie
    assert (await before.ask("GET", "/v1/me")).status == 401
    assert (await person.ask("GET", "/v1/me")).status == 200


async def test_sessions_are_listed_and_ended_one_by_one(gateway: RunningGateway) -> None:
    person, stranger = await Person.enrolled(gateway), await Person.enrolled(gateway)
    phone = Browser(gateway)
    await phone.sign_in(person.login, user_agent="A phone")

    listed = (await person.ask("GET", "/v1/sessions")).body["items"]
    assert [(one["agent"], one["current"]) for one in listed] == [("A phone", False), ("A browser", True)]
    theirs = f"/v1/sessions/{listed[0]['id']}"
    assert (await stranger.ask("DELETE", theirs)).code == "not-known"
    assert (await person.ask("DELETE", theirs)).status == 204
    assert (await person.ask("DELETE", theirs)).status == 404

    assert (await phone.ask("GET", "/v1/me")).status == 401
    assert (await person.ask("GET", "/v1/me")).status == 200


@pytest.mark.parametrize(
    "change",
    [
        "seen_at = seen_at - interval '31 minutes'",
        "ends_at = now() - interval '1 second'",
    ],
    ids=["after half an hour without use", "after twelve hours"],
)
async def test_a_session_ends(gateway: RunningGateway, change: str) -> None:
    person = await Person.enrolled(gateway)
    account_id = await person.account_id()

    await rows(gateway, f"UPDATE session SET {change} WHERE account_id = $1", account_id)  # noqa: S608
    gateway.process.authentication.forget()

    answer = await person.ask("GET", "/v1/dashboard")
    assert (answer.status, answer.code) == (401, "credentials-refused")
    # The browser is told to forget it: the next time it is anyone again.
    assert answer.headers["set-cookie"].startswith("__Host-sid=; Max-Age=0")
    assert (await person.ask("GET", "/v1/dashboard")).status == 200


async def test_using_a_session_keeps_it_open(gateway: RunningGateway) -> None:
    person = await Person.enrolled(gateway)
    account_id = await person.account_id()
    await rows(
        gateway, "UPDATE session SET seen_at = seen_at - interval '29 minutes' WHERE account_id = $1", account_id
    )
    gateway.process.authentication.forget()

    await person.ask("GET", "/v1/me")

    [session] = await rows(gateway, "SELECT seen_at FROM session WHERE account_id = $1", account_id)
    assert clock.now() - session["seen_at"] < timedelta(minutes=1)


async def test_a_new_password_needs_the_old_one_and_ends_other_sessions(gateway: RunningGateway) -> None:
    person = await Person.enrolled(gateway)
    elsewhere = Browser(gateway)
    await elsewhere.sign_in(person.login)
    form = {"old_password": "not what it was before", "password": "entirely new words here"}

    assert (await person.ask("PUT", "/v1/me/password", form)).code == "old-password-wrong"
    assert (await person.ask("PUT", "/v1/me/password", form | {"old_password": PASSWORD})).status == 204

    assert (await elsewhere.ask("GET", "/v1/me")).status == 401
    assert (await person.ask("GET", "/v1/me")).status == 200
    assert (await Browser(gateway).sign_in(person.login)).status == 401
    assert (await Browser(gateway).sign_in(person.login, "entirely new words here")).status == 201


async def test_one_changes_how_one_is_called(gateway: RunningGateway) -> None:
    person = await Person.enrolled(gateway)

    answer = await person.ask("PUT", "/v1/me", {"name": "Гүлнар", "language": "ru"})

    assert (answer.body["name"], answer.body["language"]) == ("Гүлнар", "ru")
    assert (await person.me())["name"] == "Гүлнар"


# --- another site's page ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": None, "origin": "https://elsewhere.example"},
        {"sec_fetch_site": None, "origin": "null"},
        {"sec_fetch_site": None},
    ],
)
async def test_another_site_changes_nothing_in_somebody_s_name(
    gateway: RunningGateway, headers: dict[str, str | None]
) -> None:
    person = await Person.enrolled(gateway)

    answer = await person.ask("DELETE", "/v1/sessions/current", None, **headers)
    forwarded = await person.ask("POST", "/v1/volunteers", {}, **headers)

    assert (answer.status, answer.code) == (forwarded.status, forwarded.code) == (403, "cross-site")
    assert (await person.ask("GET", "/v1/sessions", None, **headers)).status == 200


async def test_a_browser_that_tells_only_its_origin_is_believed(gateway: RunningGateway) -> None:
    person = await Person.enrolled(gateway)

    here = await person.ask("DELETE", "/v1/sessions/current", sec_fetch_site=None, origin=gateway.url)

    assert here.status == 204


# --- links ------------------------------------------------------------------------------------------------------------


async def test_a_link_is_used_once(gateway: RunningGateway) -> None:
    token = await link(gateway)
    first, second = Person(gateway), Person(gateway)
    first.login, second.login = "first.of.two@example.org", "second.of.two@example.org"

    answers = await asyncio.gather(first.enrol(token), second.enrol(token))

    assert sorted(answer.status for answer in answers) == [201, 422]
    assert {answer.code for answer in answers} == {None, "link-used-or-over"}
    assert (await Person(gateway).enrol(token, login="third@example.org")).code == "link-used-or-over"


async def test_a_link_ends_by_itself(gateway: RunningGateway) -> None:
    token = await link(gateway)
    await rows(
        gateway,
        "UPDATE invitation SET ends_at = now() - interval '1 second' WHERE secret = $1",
        credentials.kept(token),
    )

    assert (await Person(gateway).enrol(token, login="late@example.org")).code == "link-used-or-over"


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "é" * 43, "../../etc/passwd"])
async def test_what_is_no_link_opens_nothing(gateway: RunningGateway, token: str) -> None:
    answer = await Person(gateway).enrol(token, login="nobody@example.org")

    assert answer.status == 422


async def test_a_login_is_somebody_s_alone(gateway: RunningGateway) -> None:
    taken = (await Person.enrolled(gateway)).login
    token = await link(gateway)
    other = Person(gateway)

    assert (await other.enrol(token, login=taken.upper())).code == "login-taken"
    # Nothing has happened, so the link still works.
    assert (await other.enrol(token, login=f"other.{taken}")).status == 201


@pytest.mark.parametrize(
    "password",
    ["four words now", "x" * 129, "passwordpassword", "Password1234567!", "123456789012345", "aaaaaaaaaaaaaaaa",
     "qwerty qwerty qwerty", "asar-almaty-2026", "abcdefghijklmnop", "құпиясөз құпиясөз", "guessed.login@example.org"],
)  # fmt: skip
async def test_a_password_that_is_guessed_first_is_refused(gateway: RunningGateway, password: str) -> None:
    answer = await Person(gateway).enrol(await link(gateway), login="guessed.login@example.org", password=password)

    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "#/password")
    assert password not in str(answer.body)


@pytest.mark.parametrize(
    "password", ["four words in no order", "Төрт сөз, ретсіз тұр", "j8$kQ!mzp0_vWx3r", " " * 3 + "spaces count here"]
)
async def test_other_passwords_are_taken_as_they_are(gateway: RunningGateway, password: str) -> None:
    person = Person(gateway)
    person.login = f"{abs(hash(password))}@example.org"
    assert (await person.enrol(await link(gateway), password=password)).status == 201

    assert (await Browser(gateway).sign_in(person.login, password.strip())).status == (
        401 if password[0] == " " else 201
    )
    assert (await Browser(gateway).sign_in(person.login, password)).status == 201


async def test_no_secret_and_no_login_is_kept_in_clear(gateway: RunningGateway) -> None:
    person = await Person.enrolled(gateway, Role.AUDITOR)
    everything = "SELECT row_to_json(t)::text FROM {} AS t"

    kept = [str(row[0]) for table in ("account", "session", "invitation", "failedsignins", "journal")
            for row in await rows(gateway, everything.format(table))]  # fmt: skip

    assert kept
    for secret in (person.cookie, person.login, PASSWORD, "Айгүл"):
        assert not any(secret in row or secret.encode().hex() in row for row in kept)


async def test_what_matters_is_written_down(gateway: RunningGateway) -> None:
    person = await Person.enrolled(gateway)
    account = f"account/{await person.account_id()}"
    await Browser(gateway).sign_in(person.login, "a wrong password, once", x_forwarded_for="192.0.2.9")
    await Browser(gateway).sign_in(person.login, x_forwarded_for="192.0.2.9")

    entries = await rows(gateway, 'SELECT "by", what, outcome FROM journal WHERE record = $1 ORDER BY number', account)

    name = f"person:{account.removeprefix('account/')}"
    assert [tuple(entry) for entry in entries] == [
        ("operator", "granted-coordinator", "done"),
        (name, "signed-in", "done"),
        ("anyone", "signed-in", "refused"),
        (name, "signed-in", "done"),
    ]
