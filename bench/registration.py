"""POST of a registration over 64 connections, against pgbench writing the very rows in one statement."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import aiohttp

from bench.measure import Result, in_turn
from bench.servers import Servers
from deploy.local.postgres import program
from shared.ids import new_id

REQUESTS = 1500
CLIENTS = 64
PGBENCH_S = 5

# The rows of one registration: volunteer, consent, status change, stored answer, message.
_SCRIPT = """
WITH given AS (SELECT gen_random_uuid() AS id, nextval('volunteer_number') AS number),
v AS (INSERT INTO volunteer (id, version, number, status, full_name, sort_key, name_folded, language,
        born_in, born_on, phone, phone_index, centre_id, region, directions, skills, languages_spoken,
        applied_on, status_on, registered_at)
      SELECT id, 1, number, 'applied', 'Ерікті Ерікті', 'ABC', 'ерикти ерикти', 'kk',
        '1990-05', sha256(id::text::bytea), sha256(id::text::bytea),
        substr(sha256(id::text::bytea), 1, 16), '%s', 'KZ-75', '["ecology"]', '[]', '[]',
        current_date, current_date, now() FROM given),
c AS (INSERT INTO consent (id, volunteer_id, centre_id, text_version, given_on, how, by, recorded_by, recorded_at)
      SELECT gen_random_uuid(), id, '%s', '2021-1', current_date, 'paper', 'self', 'person:bench', now() FROM given),
s AS (INSERT INTO statuschange (id, volunteer_id, centre_id, status, "on", changed_by, changed_at)
      SELECT gen_random_uuid(), id, '%s', 'applied', current_date, 'person:bench', now() FROM given),
i AS (INSERT INTO idempotency (principal, operation, key, fingerprint, status, location, body, answered_at)
      SELECT 'person:bench', '/v1/volunteers', id::text, sha256(id::text::bytea), 201, '/v1/volunteers/' || id,
        repeat('x', 700)::bytea, now() FROM given)
INSERT INTO outbox (message_id, type, aggregate, version, lane, subject, body, recorded_at)
SELECT gen_random_uuid(), 'volunteers.volunteer.registered.v1', 'bench/' || id, 1, 0, 'bench', repeat('x', 600), now()
FROM given;
"""
_serial = count(1)


async def measure(servers: Servers) -> AsyncIterator[Result]:
    settings = await servers.settings("volunteers")
    async with servers.service("volunteers", settings, "api") as session:
        centre = await _post(session, "/v1/centres", {"kind": "other", "name": {"kk": "Орталық"}, "region": "KZ-75"})
        script = servers.folder / "registration.sql"
        script.write_text(_SCRIPT % (centre, centre, centre))

        async def base() -> float:
            command = (str(program("pgbench")), "-n", "-f", str(script), "-c", str(CLIENTS // 2), "-j", "2")
            process = await asyncio.create_subprocess_exec(
                *command, "-T", str(PGBENCH_S), servers.postgres.url("volunteers"),
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            output, errors = await process.communicate()
            found = re.search(rb"tps = ([0-9.]+)", output)
            if found is None:
                raise RuntimeError(f"pgbench gave no rate: {(output + errors).decode()[-700:]}")
            return float(found[1])

        async def subject() -> float:
            forms = iter([_registration(centre) for _ in range(REQUESTS)])
            began = time.perf_counter()
            await asyncio.gather(*(_post_all(session, forms) for _ in range(CLIENTS)))
            return REQUESTS / (time.perf_counter() - began)

        rates = await in_turn(subject, base)
    yield Result("POST registration", "pgbench, the same rows", "/s", *rates, goal="0.28, aim 0.55")


def _registration(centre_id: str) -> dict[str, Any]:
    n = next(_serial)
    return {
        "full_name": f"Ерікті {n}",
        "language": "kk",
        "born_on": "1990-05-17",
        "phone": f"+7701{n:07d}",
        "centre_id": centre_id,
        "directions": ["ecology"],
        "consent": {"version": "2021-1", "given_on": "2021-01-10", "how": "paper"},
    }


async def _post_all(session: aiohttp.ClientSession, forms: Any) -> None:
    for form in forms:
        await _post(session, "/v1/volunteers", form)


async def _post(session: aiohttp.ClientSession, path: str, form: dict[str, Any]) -> str:
    async with session.post(path, json=form, headers={"Idempotency-Key": str(new_id())}) as answer:
        body = await answer.json()
        if answer.status != 201:  # noqa: PLR2004  # Created
            raise RuntimeError(f"{path} answered {answer.status}: {body}")
        return str(body["id"])
