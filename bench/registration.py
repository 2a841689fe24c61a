"""POST of a registration over 64 connections, against pgbench writing the very rows in one statement."""

from collections.abc import AsyncIterator

from bench.load import pgbench, posting, wrk
from bench.measure import Goal, Result, in_turn
from bench.servers import Servers

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
      SELECT gen_random_uuid(), id, '%s', '2021-1', current_date, 'paper', 'self', 'person-bench', now() FROM given),
s AS (INSERT INTO statuschange (id, volunteer_id, centre_id, status, "on", changed_by, changed_at)
      SELECT gen_random_uuid(), id, '%s', 'applied', current_date, 'person-bench', now() FROM given),
i AS (INSERT INTO idempotency (principal, operation, key, fingerprint, status, location, body, answered_at)
      SELECT 'person-bench', '/v1/volunteers', id::text, sha256(id::text::bytea), 201, '/v1/volunteers/' || id,
        repeat('x', 700)::bytea, now() FROM given)
INSERT INTO outbox (message_id, type, aggregate, version, lane, subject, body, recorded_at)
SELECT gen_random_uuid(), 'volunteers.volunteer.registered.v1', 'bench/' || id, 1, 0, 'bench', repeat('x', 600), now()
FROM given;
"""


async def measure(servers: Servers) -> AsyncIterator[Result]:
    settings = await servers.settings("volunteers")
    async with servers.service("volunteers", settings, "api") as service:
        centre = await service.make("/v1/centres", {"kind": "other", "name": {"kk": "Орталық"}, "region": "KZ-75"})
        limit = servers.folder / "registration.sql"
        limit.write_text(_SCRIPT % ((centre["id"],) * 3))
        script = posting(servers.folder, "registration", _form(centre["id"]))

        async def base() -> float:
            return (await pgbench(servers.postgres, "volunteers", limit)).rate

        async def subject() -> float:
            return (await wrk(f"{service.address}/v1/volunteers", headers=service.headers, script=script)).rate

        rates = await in_turn(subject, base)
    yield Result("POST registration", "/s", rates[0], Goal(0.28, 0.55), "pgbench, the same rows", rates[1])


def _form(centre_id: str) -> dict[str, object]:
    return {
        "full_name": "Ерікті {n}",
        "language": "kk",
        "born_on": "1990-05-17",
        "phone": "+7{n}",
        "centre_id": centre_id,
        "directions": ["ecology"],
        "consent": {"version": "2021-1", "given_on": "2021-01-10", "how": "paper"},
    }
