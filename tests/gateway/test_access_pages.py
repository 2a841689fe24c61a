"""Pages to sign in, and to see to keys and rights: the whole journey, in three languages, without a script."""

import re
from typing import Any

import orjson
import pytest

from services.gateway.domain import access as domain
from services.gateway.form_pages import local
from services.gateway.routes import access_pages
from services.gateway.words import TEXTS
from shared.access.doors import permission_of
from shared.access.permissions import Permission, Role
from shared.ids import new_id
from shared.languages import LANGUAGES
from tests.gateway import facts
from tests.gateway.people import PASSWORD, link
from tests.gateway.reading import ReadModelUnderTest
from tests.gateway.serving import RunningGateway, UpstreamService, reply
from tests.gateway.visiting import Visitor

KEY = re.compile(r"asar_dev_\S+")


async def visitor(gateway: RunningGateway, role: Role = Role.COORDINATOR, **grant: Any) -> Visitor:
    """Somebody who has followed an invitation and is signed in; their login is `<something>@example.org`."""
    one = Visitor(gateway)
    seen = await one.enrolled(await link(gateway, role, **grant), **somebody())
    assert seen.address.startswith("/en/account"), seen.html
    return one


def somebody(**fields: str) -> dict[str, str]:
    """What an invited person fills in."""
    login = f"{new_id().hex}@example.org"
    return {"name": "Aigul", "login": login, "language": "en", "password": PASSWORD} | fields


async def status_with(gateway: RunningGateway, key: str, path: str) -> int:
    async with gateway.calling(Authorization=f"Bearer {key}") as client, client.get(path) as answer:
        return answer.status


async def test_the_whole_journey_from_a_link_to_a_key_that_ends(
    gateway: RunningGateway, model: ReadModelUnderTest
) -> None:
    centre = facts.centre_opened(name={"kk": "Орталық", "ru": "Центр", "en": "The centre"})
    await model.tell(centre)
    administrator = await visitor(gateway, Role.ADMINISTRATOR)

    # An administrator invites a coordinator of one centre,
    form = {"for_whom": "Marat", "role": "coordinator", "where": "centres", "centres": str(centre.centre_id)}
    made = await administrator.send("/en/people/invite", form)
    url = made.secret("link")
    assert (await administrator.get("/en/people")).html.count("Marat") >= 1

    # who follows the link, chooses how to sign in, and sees what they may.
    coordinator = Visitor(gateway)
    seen = await coordinator.enrolled(url.rpartition("/")[2], **somebody(name="Marat"))
    assert "Coordinator" in seen.html
    assert "The centre" in seen.html
    assert "Your account is ready" in seen.html

    # They make a key for a program,
    wanted = {"name": "Reports", "permissions": "messages:read", "where": "centres", "centres": str(centre.centre_id)}
    refused = await coordinator.send("/en/account/keys/new", wanted)
    assert refused.problem == "A key can be given what its maker may, where its maker may it, and no more."
    shown = await coordinator.send("/en/account/keys/new", wanted | {"permissions": "volunteers:read"})
    key = shown.secret("key")
    assert KEY.fullmatch(key)
    assert shown.headers["cache-control"] == "no-store"
    assert key not in (await coordinator.get("/en/account")).html

    # which works until it is revoked.
    assert await status_with(gateway, key, "/v1/volunteers") == 200
    [end] = (await coordinator.get("/en/account")).links(r"/en/keys/[^\"]+/end")
    assert "Reports" in (await coordinator.get(end)).html
    assert "The key is revoked" in (await coordinator.send(end)).html
    assert await status_with(gateway, key, "/v1/volunteers") == 401


async def test_a_replaced_key_gives_way_to_its_successor(gateway: RunningGateway) -> None:
    treasurer = await visitor(gateway, Role.TREASURER)
    form = {"name": "Bank", "permissions": ["money:read", "donations:write"], "where": "everywhere"}
    first = (await treasurer.send("/en/account/keys/new", form)).secret("key")
    [rotate] = (await treasurer.get("/en/account")).links(r"/en/keys/[^\"]+/rotate")

    second = (await treasurer.send(rotate, {"overlap_hours": "0"})).secret("key")

    assert await status_with(gateway, second, "/v1/me") == 200
    assert await status_with(gateway, first, "/v1/me") == 401


async def test_a_person_who_is_revoked_is_out_at_once(gateway: RunningGateway) -> None:
    administrator, auditor = await visitor(gateway, Role.ADMINISTRATOR), await visitor(gateway, Role.AUDITOR)
    account = await id_of(auditor)

    asked = await administrator.get(f"/ru/people/{account}/revoke")
    done = await administrator.send(f"/ru/people/{account}/revoke")

    assert "Отменить это нельзя" in asked.html
    assert "Учётная запись отозвана" in done.html
    assert (await auditor.get("/en/account")).address == "/en/sign-in?next=%2Fen%2Faccount"


async def test_a_role_is_given_and_withdrawn(gateway: RunningGateway) -> None:
    administrator, auditor = await visitor(gateway, Role.ADMINISTRATOR), await visitor(gateway, Role.AUDITOR)
    account = await id_of(auditor)

    given = await administrator.send(f"/en/people/{account}/give", {"role": "treasurer", "where": "everywhere"})
    assert "Treasurer" in given.html
    grant = given.links(rf"/en/people/{account}/grants/[^\"]+")[-1]
    assert "Treasurer" in (await administrator.get(grant)).html
    withdrawn = await administrator.send(grant)

    assert "Treasurer" not in withdrawn.html
    assert "Auditor" in withdrawn.html


async def test_the_last_administrator_is_told_why_they_stay(own_gateway: RunningGateway) -> None:
    administrator = await visitor(own_gateway, Role.ADMINISTRATOR)

    seen = await administrator.send(f"/en/people/{await id_of(administrator)}/revoke")

    assert seen.status == 409
    assert seen.problem == domain.LastAdministrator.title()
    assert (await administrator.get("/en/account")).status == 200


async def test_an_invitation_that_is_taken_back_opens_nothing(gateway: RunningGateway) -> None:
    administrator = await visitor(gateway, Role.ADMINISTRATOR)
    whom = new_id().hex
    made = await administrator.send("/en/people/invite", {"for_whom": whom, "role": "auditor", "where": "everywhere"})
    page = (await administrator.get("/en/people")).html
    taken = re.findall(r'action="(/en/people/invitations/[^"]+)"', page[page.index(whom) :])[0]

    assert whom not in (await administrator.send(taken)).html
    opened = await Visitor(gateway).get(f"/enrolment/{made.secret('link').rpartition('/')[2]}", Accept_Language="en")
    assert opened.status == 422
    assert domain.LinkUsedOrOver.title() in opened.html


async def test_a_volunteer_is_invited_by_their_number_only(gateway: RunningGateway) -> None:
    administrator = await visitor(gateway, Role.ADMINISTRATOR)
    form = {"for_whom": "somebody", "role": "volunteer", "where": "centres"}

    without = await administrator.send("/en/people/invite", form)
    nonsense = await administrator.send("/en/people/invite", form | {"volunteer_id": "no number"})
    rightly = await administrator.send("/en/people/invite", form | {"volunteer_id": str(new_id())})

    assert "needs one" in without.wrong("volunteer_id")
    assert nonsense.wrong("volunteer_id") == "is not a number from the register"
    assert rightly.secret("link")


async def test_somebody_who_forgot_sets_a_new_password_and_is_out_elsewhere(gateway: RunningGateway) -> None:
    administrator, person = await visitor(gateway, Role.ADMINISTRATOR), Visitor(gateway)
    own = somebody()
    await person.enrolled(await link(gateway, Role.AUDITOR), **own)
    made = await administrator.send(f"/en/people/{await id_of(person)}/password")
    token = made.secret("link").rpartition("/")[2]

    elsewhere = Visitor(gateway)
    form = await elsewhere.get(f"/enrolment/{token}", Accept_Language="en")
    assert (form.value("login"), form.value("name")) == (own["login"], own["name"])
    await elsewhere.send(form.address, own | {"password": "a new one of five words"})

    assert (await person.get("/en/account")).address.startswith("/en/sign-in")
    assert (await elsewhere.get("/en/account")).status == 200


async def test_sessions_elsewhere_are_listed_and_ended(gateway: RunningGateway) -> None:
    own = somebody()
    phone, desk = Visitor(gateway), Visitor(gateway)
    await phone.enrolled(await link(gateway, Role.AUDITOR), **own)
    await desk.send("/en/sign-in", own, User_Agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0")

    listed = await phone.get("/en/account")
    assert "Firefox · Linux" in listed.html
    [other] = listed.links(r"/en/account/sessions/[^\"]+")
    ended = await phone.send(other)

    assert "Firefox · Linux" not in ended.html
    assert (await desk.get("/en/account")).address.startswith("/en/sign-in")


async def test_a_password_is_changed_and_never_shown_again(gateway: RunningGateway) -> None:
    person, own = Visitor(gateway), somebody()
    await person.enrolled(await link(gateway, Role.AUDITOR), **own)

    wrong = await person.send("/en/account/password", {"old_password": "not this", "password": "five other words here"})
    short = await person.send("/en/account/password", {"old_password": PASSWORD, "password": "short"})
    right = await person.send("/en/account/password", {"old_password": PASSWORD, "password": "five other words here"})

    assert wrong.wrong("old_password") == domain.OldPasswordWrong.title()
    assert "five other words here" not in wrong.html
    assert short.wrong("password") == "must have at least 15 characters"
    assert "The password is changed" in right.html
    assert (await Visitor(gateway).send("/en/sign-in", own | {"password": "five other words here"})).status == 200


async def test_a_name_and_a_language_are_chosen(gateway: RunningGateway) -> None:
    person = await visitor(gateway)

    seen = await person.send("/en/account", {"name": "Айгүл", "language": "kk"})

    assert (seen.language, seen.value("name")) == ("kk", "Айгүл")
    assert (await person.send("/kk/account", {"name": "", "language": "kk"})).wrong("name") == "міндетті"


# --- coming in ------------------------------------------------------------------------------------------------------


async def test_a_wrong_password_keeps_the_login_and_says_no_more(gateway: RunningGateway) -> None:
    own = somebody()
    await Visitor(gateway).enrolled(await link(gateway), **own)

    wrong = await Visitor(gateway).send("/en/sign-in", own | {"password": "another one altogether"})
    unknown = await Visitor(gateway).send("/en/sign-in", {"login": own["login"] + "x", "password": "another"})

    assert (wrong.status, wrong.problem) == (401, domain.SignInRefused.title())
    assert wrong.value("login") == own["login"]
    assert "another one altogether" not in wrong.html
    assert wrong.title.startswith("Error · ")
    assert unknown.html.replace(own["login"] + "x", own["login"]) == wrong.html


async def test_who_tries_too_often_is_told_when_to_come_back(gateway: RunningGateway) -> None:
    own, robot = somebody(), Visitor(gateway)
    for _ in range(domain.SIGN_IN_LIMITS[0]):
        await robot.send("/ru/sign-in", own, X_Forwarded_For="192.0.2.44")

    seen = await robot.send("/ru/sign-in", own, X_Forwarded_For="192.0.2.44")

    assert seen.status == 429
    assert int(seen.headers["retry-after"]) > 0
    assert re.search(r"Попробуйте снова примерно через \d+ мин\.", seen.html)


async def test_signing_in_leads_back_to_where_one_was_going(gateway: RunningGateway) -> None:
    own, person = somebody(), Visitor(gateway)
    await Visitor(gateway).enrolled(await link(gateway, Role.ADMINISTRATOR), **own)

    sent_away = await person.get("/kk/people?limit=10")
    back = await person.send(sent_away.address, own)

    assert sent_away.address == "/kk/sign-in?next=%2Fkk%2Fpeople%3Flimit%3D10"
    assert back.address == "/kk/people?limit=10"
    assert (await person.get("/kk/sign-in?next=/kk/people")).address == "/kk/people"


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "", "kk/", "/\t/evil.example",
     "/%0d\r\nSet-Cookie: a=b", "/a b", "\\\\evil.example", "/ұ"],
)  # fmt: skip
async def test_nobody_is_sent_on_to_another_site(gateway: RunningGateway, address: str) -> None:
    assert local(address) is None
    assert local("/kk/?scope=KZ-75") == "/kk/?scope=KZ-75"


async def test_a_link_s_secret_stays_in_no_address(gateway: RunningGateway) -> None:
    token, person = await link(gateway), Visitor(gateway)
    async with gateway.calling() as client, client.get(f"/enrolment/{token}", allow_redirects=False) as answer:
        headers = answer.headers
    seen = await person.get(f"/enrolment/{token}", Accept_Language="ru")

    assert (headers["Location"], headers.getall("Referrer-Policy")[-1]) == ("/kk/enrolment", "no-referrer")
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"} <= set(headers["Set-Cookie"].split("; "))
    assert seen.address == "/ru/enrolment"
    assert token not in seen.html


async def test_an_enrolment_keeps_what_was_typed_but_the_password(gateway: RunningGateway) -> None:
    taken, own, person = somebody(), somebody(name="Дана"), Visitor(gateway)
    await Visitor(gateway).enrolled(await link(gateway), **taken)
    token = await link(gateway)

    common = await person.enrolled(token, **own)
    assert common.address.startswith("/en/account")

    another, token = Visitor(gateway), await link(gateway)
    guessed = await another.enrolled(token, **own | {"password": "kazakhstan kazakhstan"})
    twice = await another.send("/en/enrolment", own | {"login": taken["login"]})
    assert guessed.wrong("password") == domain.PasswordTooCommon.title()
    assert (guessed.value("name"), guessed.value("login")) == ("Дана", own["login"])
    assert "kazakhstan kazakhstan" not in guessed.html
    assert (twice.status, twice.problem) == (409, domain.LoginTaken.title())


async def test_signing_out_forgets_the_browser(gateway: RunningGateway) -> None:
    person = await visitor(gateway)
    session = person.cookies["__Host-sid"]

    asked = await person.get("/kk/sign-out")
    out = await person.send("/kk/sign-out")

    assert "Шығасыз ба?" in asked.html
    assert out.address == "/kk/sign-in?done=signed_out"
    assert "__Host-sid" not in person.cookies
    person.cookies["__Host-sid"] = session
    assert (await person.get("/kk/account")).address.startswith("/kk/sign-in")


async def test_a_session_that_is_over_does_not_stand_before_a_public_page(gateway: RunningGateway) -> None:
    person = Visitor(gateway)
    person.cookies["__Host-sid"] = "A" * 43

    seen = await person.get("/kk/")

    assert seen.status == 200
    assert person.cookies == {}
    person.cookies["__Host-sid"] = "A" * 43
    own = somebody()
    await Visitor(gateway).enrolled(await link(gateway), **own)
    assert (await person.send("/en/sign-in", own)).address == "/en/account"


# --- who may not ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/people", "/people/invite", "/people/0197f000-0000-7000-8000-000000000000"])
async def test_who_manages_nobody_gets_a_page_that_says_so(gateway: RunningGateway, path: str) -> None:
    coordinator = await visitor(gateway)

    seen = await coordinator.get(f"/kk{path}")

    assert (seen.status, seen.language) == (403, "kk")
    assert "Сіздің рөліңізде" in seen.html or "рұқсат" in seen.html
    assert "/kk/people" not in (await coordinator.get("/kk/account")).links('[^"]+')


async def test_a_form_from_another_site_changes_nothing(gateway: RunningGateway) -> None:
    person, own = await visitor(gateway), somebody()

    foreign = await person.send(
        "/en/account", {"name": "Mallory", "language": "ru"}, **{"Sec-Fetch-Site": "cross-site"}
    )
    sign_in = await Visitor(gateway).send("/en/sign-in", own, **{"Sec-Fetch-Site": "cross-site"})
    silent = await person.send("/en/account", {"name": "Mallory", "language": "ru"}, **{"Sec-Fetch-Site": ""})

    assert (foreign.status, sign_in.status, silent.status) == (403, 403, 403)
    assert (await person.get("/en/account")).value("name") == "Aigul"


async def test_another_person_s_keys_and_sessions_are_not_there(gateway: RunningGateway) -> None:
    one, other = await visitor(gateway, Role.TREASURER), await visitor(gateway, Role.TREASURER)
    await one.send("/en/account/keys/new", {"name": "Bank", "permissions": "money:read", "where": "everywhere"})
    [end] = (await one.get("/en/account")).links(r"/en/keys/[^\"]+/end")

    assert (await other.get(end)).status == 404
    assert (await other.send(end)).status == 404
    assert (await other.send(f"/en/account/sessions/{new_id()}")).status == 404


@pytest.mark.parametrize("path", ["/xx/sign-in", "/en/people/nonsense", "/en/keys/nonsense/end"])
async def test_an_address_that_leads_nowhere_gets_a_page_as_well(gateway: RunningGateway, path: str) -> None:
    administrator = await visitor(gateway, Role.ADMINISTRATOR)

    seen = await administrator.get(path)

    assert seen.status == 404
    assert seen.headers["content-type"].startswith("text/html")


def test_every_page_says_who_may_come_in() -> None:
    routes = [route for router in access_pages.ROUTERS for route in router.routes]

    assert len(routes) > 15
    for route in routes:
        inner: Any = route
        assert permission_of(inner.dependencies) in (
            Permission.SIGN_IN, Permission.OWN_ACCOUNT, Permission.MANAGE_ACCESS,
        ), inner.path  # fmt: skip


# --- words and places -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_speaks_its_language_and_keeps_its_place(gateway: RunningGateway, language: str) -> None:
    administrator = await visitor(gateway, Role.ADMINISTRATOR)

    for place in ("account", "account/password", "account/keys/new", "people", "people/invite", "sign-out"):
        seen = await administrator.get(f"/{language}/{place}?next=b")
        assert (seen.status, seen.language) == (200, language)
        assert seen.title.endswith("Asar" if language == "en" else "Асар")
        assert seen.links(r"/\w\w/[^\"]+\?next=b") == [f"/{other}/{place}?next=b" for other in LANGUAGES]
        assert f"/{language}/" in seen.links(r"/\w\w/")
        assert "<script" not in seen.html
        assert " style=" not in seen.html


async def test_a_refusal_is_in_the_page_s_language_whatever_the_browser_prefers(gateway: RunningGateway) -> None:
    seen = await Visitor(gateway).send("/kk/sign-in", somebody(), Accept_Language="en")

    assert seen.problem == TEXTS["kk"].get("wrong_sign-in-refused", seen.problem)
    assert re.search("[әіңғүұқөһ]", seen.problem)


async def test_one_chooses_among_centres_and_directions_by_name(
    gateway: RunningGateway, model: ReadModelUnderTest, upstream: UpstreamService
) -> None:
    centre = facts.centre_opened(region="KZ-75", name={"kk": "Бірінші орталық"})
    await model.tell(centre)
    directions = {"items": [{"code": "ecology", "kk": "Экология", "ru": "Экология", "en": "Ecology"}]}

    async def answer(_scope: Any, _receive: Any, send: Any) -> None:
        await reply(send, 200, orjson.dumps(directions))

    upstream.answer = answer
    administrator = await visitor(gateway, Role.ADMINISTRATOR)
    form = await administrator.get("/en/people/invite")
    assert "Almaty" in form.html
    assert "Бірінші орталық" in form.html
    assert "Ecology" in form.html

    nothing = await administrator.send(
        "/en/people/invite", {"for_whom": "somebody", "role": "coordinator", "where": "centres", "what": "some"}
    )
    whom = {"for_whom": "somebody", "role": "coordinator", "where": "centres", "centres": str(centre.centre_id)}
    await administrator.send("/en/people/invite", whom | {"what": "some", "directions": "ecology"})

    assert "Tick the centres" in nothing.wrong("centres")
    assert "Бірінші орталық · Ecology" in (await administrator.get("/en/people")).html


def test_the_three_languages_have_the_same_texts() -> None:
    for code in TEXTS["en"]:
        said = {language: TEXTS[language][code] for language in LANGUAGES}
        assert all(text and text == text.strip() for text in said.values()), code
        placeholders = {tuple(sorted(re.findall(r"\{(\w+)\}", text))) for text in said.values()}
        assert len(placeholders) == 1, code
    assert all(f"may_{permission}" in TEXTS["kk"] for permission in Permission)
    assert all(f"role_{role}" in TEXTS["kk"] for role in Role)


async def id_of(person: Visitor) -> str:
    """A person's account, as the API names it."""
    async with person.gateway.calling(Cookie=f"__Host-sid={person.cookies['__Host-sid']}") as client:
        answer = await client.get("/v1/me")
        return str((await answer.json())["id"]).removeprefix("person:")
