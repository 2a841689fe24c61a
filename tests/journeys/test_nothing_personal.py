"""One person's data goes through the whole system; afterwards everything that is kept or sent is searched for it.

What is searched: logs, spans, metrics, NATS' files, dumps of all databases (so outbox, feed, idempotency and jobs too),
the headers of every answer, the body of every refusal. Names of volunteers stand in clear in one table, for search and
for the Kazakh order (decision 0016): that one is searched for all but the name, and for the name too once it is erased.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
from aiohttp import web

from deploy.local.installation import SERVICES
from deploy.local.postgres import program
from shared.people import folded
from tests.charity import factories as charity
from tests.factories import registration
from tests.running import RunningSystem, until
from tests.tracing import by_trace
from tests.volunteers import factories as volunteers

pytestmark = pytest.mark.journey

NAME, CHILD, DONOR = "Құпиясырбай Жасырынұлы", "Көрінбесбала", "Атымтайжомарт Сырболатұлы"
PERSONAL = {
    "IIN": charity.iin(),
    "phone": "+77015550199",
    "phone as written": "701 555 01 99",
    "email": "qupiya.sandyq@example.org",
    "birth day": "1987-11-23",
    "address": "Жасырын көшесі, 4711",
    "emergency contact": "Айтылмасқыз",
    "child": CHILD,
    "donor": DONOR,
    "reason": "Себебі құпиясандықта",
    "description": "Құпиясандыққа салынған көмек",
    "name": NAME,
}
"""Each is found nowhere else, so a hit is a leak."""
IN_CLEAR = "volunteers: public.volunteer"
_keys = (f"canary-{number}" for number in count())


@dataclass
class Heard:
    """What the system has said to the outside: spans, and what its answers hold beside the bodies of good ones."""

    spans: list[bytes] = field(default_factory=list[bytes])
    answers: list[bytes] = field(default_factory=list[bytes])

    async def listen(self, answer: httpx.Response) -> None:
        self.answers.append(repr(answer.headers.multi_items()).encode())
        if answer.is_error:
            self.answers.append(await answer.aread())


async def test_what_is_personal_is_nowhere_in_clear(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    async with collector(heard) as address:
        monkeypatch.setenv("ASAR_OTLP_ENDPOINT", address)
        monkeypatch.setenv("ASAR_TRACE_SAMPLE", "1")
        monkeypatch.setenv("ASAR_LOG_LEVEL", "debug")
        system = RunningSystem(tmp_path_factory.mktemp("canary"))
        await system.start()
        try:
            async with system.client() as client:
                client.event_hooks["response"].append(heard.listen)
                # While people are looked after, their data is sealed wherever it is.
                people = await live(client)
                await system.settled()
                assert await leaks(system, heard) == {IN_CLEAR: {"name"}}

                # Once they are let go, even that is gone, and every figure is what it was.
                await erase(client, people)
                await system.settled()
                assert await leaks(system, heard) == {}
                assert (await system.verify()).differences == []
        finally:
            await system.stop()

    # What was still to be sent of the spans is sent at the end.
    assert b"/v1/volunteers" in b"".join(heard.spans)
    assert personal_in({"spans": b"".join(heard.spans)}) == {}
    # And they are worth it: one trace shows the request at the gateway and in the service, and what came of it.
    whole = {
        ("asar-gateway", "POST /v1/volunteers"),
        ("asar-volunteers", "POST /v1/volunteers"),
        ("asar-volunteers", "publish"),
        ("asar-gateway", "apply"),
        ("asar-events", "apply"),
    }
    assert any(whole <= spans for spans in by_trace(heard.spans).values())


@asynccontextmanager
async def collector(heard: Heard) -> AsyncIterator[str]:
    """Where spans are sent: OTLP over HTTP."""

    async def take(request: web.Request) -> web.Response:
        heard.spans.append(await request.read())
        return web.Response()

    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    finally:
        await runner.cleanup()


async def live(client: httpx.AsyncClient) -> dict[str, str]:
    """What happens to people: they are registered, sought and helped. Returns who is to be let go, by noun."""
    centre = (await post(client, "/v1/centres", volunteers.centre()))["id"]
    person = registration(
        centre,
        full_name=NAME,
        iin=PERSONAL["IIN"],
        phone=PERSONAL["phone as written"],
        email=PERSONAL["email"],
        born_on=PERSONAL["birth day"],
        emergency_contact=PERSONAL["emergency contact"],
    )
    volunteer = await post(client, "/v1/volunteers", person)
    await post(client, "/v1/volunteers", person, refused=409)
    rows = [person, person | {"email": f"{NAME}@"}, {"full_name": NAME}]
    await post(client, "/v1/volunteers/batches", {"items": rows})
    await post(client, f"/v1/volunteers/{volunteer['id']}/approvals", {"reason": PERSONAL["reason"]})
    await post(client, f"/v1/volunteers/{volunteer['id']}/disclosures", {"purpose": "Байланыс"})
    for sought in ({"phone": PERSONAL["phone"]}, {"iin": PERSONAL["IIN"]}, {"name": NAME}):
        assert (await post(client, "/v1/volunteers/searches", sought))["items"]
    await get_it_wrong(client, person)
    await bring_in(client, centre)

    campaign = (await post(client, "/v1/campaigns", charity.campaign()))["id"]
    await post(client, f"/v1/campaigns/{campaign}/openings", {})
    gift = charity.donation(campaign, centre, donor={"kind": "person", "name": DONOR})
    donation = await post(client, "/v1/donations", gift)
    await post(client, f"/v1/donations/{donation['id']}/refunds", charity.refund(reason=PERSONAL["reason"]))
    await post(client, "/v1/donations", gift | {"donor": {"name": DONOR, "anonymous": True}}, refused=422)
    head = charity.member("head", full_name=NAME, born_on=PERSONAL["birth day"], iin=PERSONAL["IIN"])
    form = charity.family(centre, address=PERSONAL["address"], referred_by=DONOR)
    form["members"] = [head, charity.member(full_name=CHILD)]
    family = await post(client, "/v1/families", form)
    await post(client, "/v1/families", form, refused=409)
    await post(client, f"/v1/families/{family['id']}/verifications", {})
    help_ = charity.delivery(family["id"], centre, description=PERSONAL["description"])
    delivery = await post(client, "/v1/deliveries", help_)
    await post(client, f"/v1/deliveries/{delivery['id']}/disclosures", {"purpose": "Тексеру"})
    return {"volunteers": volunteer["id"], "donations": donation["id"], "families": family["id"]}


async def get_it_wrong(client: httpx.AsyncClient, person: dict[str, Any]) -> None:
    """What is refused was sent all the same, and must not come back."""
    await post(client, "/v1/volunteers", person | {"colour": NAME, "born_on": NAME, "iin": NAME}, refused=422)
    await post(client, "/v1/sessions", {"login": PERSONAL["email"], "password": DONOR * 2}, refused=401)
    for method, path, content, kind, status in (
        ("POST", "/v1/volunteers", f'{{"full_name": "{NAME}"', "application/json", 400),
        ("POST", "/v1/volunteers", NAME, "text/plain", 415),
        ("POST", "/v1/nothing-here", f'{{"full_name": "{NAME}"}}', "application/json", 404),
        ("PATCH", "/v1/volunteers", f'{{"full_name": "{NAME}"}}', "application/json", 405),
    ):
        headers = {"Content-Type": kind, "Idempotency-Key": next(_keys)}
        answer = await client.request(method, path, content=content.encode(), headers=headers)
        assert answer.status_code == status, answer.text


async def bring_in(client: httpx.AsyncClient, centre: str) -> None:
    """The same person again, from a sheet, with a row that is refused."""
    sheet = f"full_name;born_on;phone\n{NAME};{PERSONAL['birth day']};{PERSONAL['phone']}\n{DONOR};;{NAME}\n"
    answer = await client.post(
        "/v1/volunteers/imports",
        params={"centre_id": centre, "consent_version": "1", "consent_given_on": "2021-01-10", "consent_how": "paper"},
        content=sheet.encode(),
        headers={"Content-Type": "text/csv", "Idempotency-Key": next(_keys)},
    )
    assert answer.status_code == 202, answer.text
    place = f"/v1/volunteers/imports/{answer.json()['id']}"

    async def done() -> bool:
        return (await client.get(place)).json()["status"] == "succeeded"

    await until("the sheet is brought in", done)
    assert (await client.get(f"{place}/refused-rows")).is_success
    assert (await client.delete(place)).is_success


async def erase(client: httpx.AsyncClient, people: dict[str, str]) -> None:
    """All of them are let go: asked without a number first, which only tells what would happen."""
    for noun, identity in people.items():
        place = f"/v1/{noun}/{identity}"
        number = await number_of(client, noun, place)
        asked = await client.post(f"{place}/erasures", json={"purpose": "Өтініш"})
        done = await client.post(f"{place}/erasures", json={"purpose": "Өтініш", "number": number})
        assert (asked.json()["done"], done.json()["done"]) == (False, True)


async def number_of(client: httpx.AsyncClient, noun: str, place: str) -> int:
    """The short number of a record. A gift's is that of its receipt, issued within a second."""

    async def issued() -> int:
        record = (await client.get(place)).json()
        return int((record["receipt_number"] or "-0").partition("-")[2]) if noun == "donations" else record["number"]

    return await until("it has a number", issued)


async def post(client: httpx.AsyncClient, path: str, form: Any, *, refused: int | None = None) -> dict[str, Any]:
    """Ask until the service has heard of what it needs from the others."""

    async def answered() -> httpx.Response | None:
        answer = await client.post(path, json=form, headers={"Idempotency-Key": next(_keys)})
        return None if str(answer.json().get("code", "")).endswith("-unknown") else answer

    answer = await until(path, answered)
    assert answer.is_success if refused is None else answer.status_code == refused, f"{path}: {answer.text}"
    return dict(answer.json())


async def leaks(system: RunningSystem, heard: Heard) -> dict[str, set[str]]:
    """Where something personal stands in clear, and what it is."""
    said = {"spans": b"".join(heard.spans), "answers": b"".join(heard.answers), "metrics": await metrics(system)}
    return personal_in(await asyncio.to_thread(lambda: dict(kept(system))) | said)


async def metrics(system: RunningSystem) -> bytes:
    """What Prometheus is told, by all services."""
    async with httpx.AsyncClient(timeout=30) as client:
        addresses = [f"http://127.0.0.1:{system.installation.port_of(service)}/metrics" for service in SERVICES]
        return b"".join([(await client.get(address)).raise_for_status().content for address in addresses])


def personal_in(places: dict[str, bytes]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for what, words in PERSONAL.items():
        for written in ways_to_write(words):
            for place, content in places.items():
                if written in content:
                    found.setdefault(place, set()).add(what)
    return found


def ways_to_write(words: str) -> list[bytes]:
    """As it is, folded for search, escaped in JSON or in an address, and as PostgreSQL shows bytes."""
    plain = {words, words.lower(), folded(words) or words}
    texts = {*plain, *(json.dumps(text)[1:-1] for text in plain), quote(words), quote_plus(words)}
    return [text.encode() for text in texts] + [text.encode().hex().encode() for text in plain]


def kept(system: RunningSystem) -> Iterator[tuple[str, bytes]]:
    """Everything that the system has written: its files but for the databases', and what is in those by table."""
    installation = system.installation
    folder = installation.data_dir
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_relative_to(installation.postgres.home):
            yield str(file.relative_to(folder)), file.read_bytes()
    for service in SERVICES:
        command = [str(program("pg_dump")), "--dbname", installation.postgres.url(service)]
        dump = subprocess.run(command, capture_output=True, check=True).stdout
        content: dict[str, bytearray] = {}
        table = "definitions"
        for line in dump.splitlines(keepends=True):
            if line.startswith(b"COPY "):
                table = line.split()[1].decode()
            content.setdefault(f"{service}: {table}", bytearray()).extend(line)
            if line == b"\\.\n":
                table = "definitions"
        yield from ((place, bytes(rows)) for place, rows in content.items())
