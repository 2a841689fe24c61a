"""Compares what callers were told with what is there: what was lost, what was doubled, and what else is not right."""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from deploy.local.installation import SERVICES
from deploy.local.state import Condition
from deploy.operate.verify import Report
from shared.access.principal import EVERYTHING
from shared.messaging.subjects import PUBLISHERS
from tests.faults.history import Attempt, History, Operation, Outcome
from tests.faults.load import Life
from tests.running import RunningSystem, until

BACK_WITHIN_S = 20.0
"""After the last fault: nothing unsent, nothing on its way, everybody ready."""
UNSENT_LIMIT_S = 5.0
_SAMPLE = 20
UNAVAILABLE = 503

_RECORDS = {
    "donation": ("charity", "SELECT id FROM donation WHERE campaign_id = $1 OR centre_id = $2"),
    "delivery": ("charity", "SELECT id FROM delivery WHERE campaign_id = $1 OR centre_id = $2"),
    "volunteer": ("volunteers", "SELECT id FROM volunteer WHERE centre_id = $2 AND $1::uuid IS NOT NULL"),
    "approval": (
        "volunteers",
        "SELECT id FROM volunteer WHERE centre_id = $2 AND $1::uuid IS NOT NULL AND status <> 'applied'",
    ),
    "void": (
        "charity",
        "SELECT id FROM delivery WHERE centre_id = $2 AND $1::uuid IS NOT NULL AND voided_on IS NOT NULL",
    ),
    "event": ("events", "SELECT id FROM event WHERE centre_id = $2 AND $1::uuid IS NOT NULL"),
}
"""Of each kind of operation: on which records it has taken place, of those of one campaign and centre."""
_GIVEN = "SELECT sum(amount_minor)::bigint FROM donation WHERE campaign_id = $1"
_BOOKED = "SELECT -sum(amount_minor)::bigint FROM leg WHERE campaign_id = $1 AND account = 'donors'"
_BROKEN_VERSIONS = (
    "SELECT aggregate FROM outbox GROUP BY aggregate"
    " HAVING min(version) <> 1 OR max(version) <> count(*) OR count(DISTINCT version) <> count(*)"
)
_UNSENT = "SELECT count(*) FROM outbox WHERE published_at IS NULL AND recorded_at < now() - make_interval(secs => $1)"


@dataclass
class Facts:
    """What is there, as the services' own tables and the public page tell it."""

    records: dict[str, set[UUID]]
    """By kind of operation, the records that show it, of the life's own centre or campaign."""
    sums: dict[str, int]
    """The money given to its campaign, in tiyn: as `donations`, `ledger` and `public` have it."""
    parked: set[str] = field(default_factory=set[str])
    """Ids of messages that could not be applied."""
    broken_versions: list[str] = field(default_factory=list[str])
    unsent: int = 0
    """Messages that have waited for longer than they should."""


@dataclass
class Finding:
    """What was promised and is not so."""

    lost: list[str] = field(default_factory=list[str])
    doubled: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])

    @property
    def all(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.wrong]


def compare(history: History, facts: Facts, *, poison: Collection[str] = ()) -> Finding:
    """Judge a history whose unknown operations are unknown for ever.

    `poison`: the ids of the messages that were sent to be parked.
    """
    finding = Finding()
    for kind, there in facts.records.items():
        promised, maybe = history.identities(Outcome.OK, kind), history.identities(Outcome.UNKNOWN, kind)
        refused = history.identities(Outcome.REFUSED, kind)
        finding.lost += [f"{kind} {one} was promised and is not there" for one in sorted(promised - there)]
        finding.wrong += [f"{kind} {one} was refused and is there" for one in sorted(refused & there)]
        strangers = there - promised - maybe - refused
        finding.doubled += [f"{kind} {one} is there, and nobody asked for it" for one in sorted(strangers)]
    finding.lost += [f"{read.path} was promised and not found" for read in history.of(Outcome.REFUSED, "read")]
    _compare_sums(history, facts, finding)
    finding.doubled += _answered_otherwise(history.operations)
    finding.wrong += [f"versions of {aggregate} are not in a row" for aggregate in facts.broken_versions]
    finding.lost += [f"message {one} was parked" for one in sorted(facts.parked - set(poison))]
    finding.wrong += [f"poison {one} was not parked" for one in sorted(set(poison) - facts.parked)]
    if facts.unsent:
        finding.wrong.append(f"{facts.unsent} messages are unsent for more than {UNSENT_LIMIT_S:.0f} s")
    return finding


def _compare_sums(history: History, facts: Facts, finding: Finding) -> None:
    there = facts.records.get("donation", set[UUID]())
    least = sum(history.donations.values())
    unknown = [o for o in history.of(Outcome.UNKNOWN, "donation") if o.identity in there]
    due = least + sum(operation.amount_minor for operation in unknown)
    for where, amount in facts.sums.items():
        if amount < due:
            finding.lost.append(f"{where}: {due - amount} tiyn of {due} are missing")
        elif amount > due:
            finding.doubled.append(f"{where}: {amount - due} tiyn more than the {due} that were given")


def _answered_otherwise(operations: Iterable[Operation]) -> list[str]:
    """Operations that were answered for good more than once, and not the same."""
    return [
        f"{operation.kind} {operation.key} was answered in {len(answers)} ways"
        for operation in operations
        if operation.kind != "read" and len(answers := set(map(_told, operation.answers))) > 1
    ]


def _told(answer: Attempt) -> tuple[int | None, bytes]:
    """Of a refusal only its status: its words tell the number of the request as well."""
    return answer.status, answer.body if answer.outcome is Outcome.OK else b""


def assert_told_to_come_again(failures: Collection[Attempt]) -> None:
    """Every failure is a 503 that says when to ask again."""
    others = {(failure.status, failure.retry_after) for failure in failures if failure.status != UNAVAILABLE}
    silent = [failure for failure in failures if failure.retry_after is None]
    assert not others, f"answered {others}"
    assert not silent, f"{len(silent)} of {UNAVAILABLE} do not say when to ask again"


# --- of a running system --------------------------------------------------------------------------------------------


async def wait_until_back(
    system: RunningSystem, *, poison: Collection[str] = (), patience_s: float = BACK_WITHIN_S
) -> None:
    """Until every part is ready, and nothing is unsent, on its way or parked, but for the poison.

    Raises:
        TimeoutError: it was not, in time.
    """
    deadline = time.monotonic() + patience_s
    await system.wait_ready(patience_s=patience_s)
    await system.settled(parked=bool(poison), patience_s=deadline - time.monotonic())

    async def all_ready() -> bool:
        return set(system.conditions().values()) == {Condition.READY}

    await until("every part is ready", all_ready, patience_s=deadline - time.monotonic())


async def ask_again(life: Life) -> None:
    """Ask twice more, with the same key, for what is unknown and for some that is known: all answers must be one.

    What was given up is thereby known.
    """
    history = life.history
    asked_for = [operation for operation in history.operations if operation.kind != "read"]
    unknown = [operation for operation in asked_for if operation.outcome is Outcome.UNKNOWN]
    known = [operation for operation in asked_for if operation.outcome is not Outcome.UNKNOWN]
    for operation in [*unknown, *unknown, *known[:: max(1, len(known) // _SAMPLE)]]:

        async def answered(operation: Operation = operation) -> bool:
            return (await life.ask(operation)).outcome is not Outcome.UNKNOWN

        await until(f"an answer of {operation.path}", answered)


async def facts_of(system: RunningSystem, life: Life) -> Facts:
    """What there is of this life, seen by somebody from whom nothing is hidden."""
    installation = system.installation
    mine = (life.campaign_id, life.centre_id)
    facts = Facts(records={}, sums={})
    connections = {
        service: await asyncpg.connect(installation.database_url(service), server_settings=EVERYTHING.settings)
        for service in SERVICES
    }
    try:
        for kind, (service, query) in _RECORDS.items():
            facts.records[kind] = {row["id"] for row in await connections[service].fetch(query, *mine)} - life.furniture
        charity = connections["charity"]
        facts.sums["donations"] = await charity.fetchval(_GIVEN, life.campaign_id) or 0
        facts.sums["ledger"] = await charity.fetchval(_BOOKED, life.campaign_id) or 0
        facts.sums["public"] = await _shown(system, life)
        for service in PUBLISHERS:
            facts.broken_versions += [row[0] for row in await connections[service].fetch(_BROKEN_VERSIONS)]
            facts.unsent += await connections[service].fetchval(_UNSENT, UNSENT_LIMIT_S)
        facts.parked = {row[0] for row in await _parked(connections)}
    finally:
        for connection in connections.values():
            await connection.close()
    return facts


async def _shown(system: RunningSystem, life: Life) -> int:
    """What the dashboard shows to everybody of the life's campaign."""
    async with system.client() as client:
        answer = await client.get("/v1/dashboard", params={"scope": f"campaign:{life.campaign_id}"})
    return int(answer.raise_for_status().json()["figures"]["money_received_minor"])


async def _parked(connections: Mapping[str, "asyncpg.Connection[asyncpg.Record]"]) -> list[asyncpg.Record]:
    gateway = connections["gateway"]
    number = await gateway.fetchval(
        "SELECT number FROM generation WHERE status = 'active' ORDER BY number DESC LIMIT 1"
    )
    rows = await gateway.fetch(f'SELECT message_id FROM "projection_{number}".parked')  # noqa: S608  # ours
    for service in PUBLISHERS:
        rows += await connections[service].fetch("SELECT message_id FROM parked")
    return rows


def of_report(report: Report) -> Finding:
    """What `asar verify` found, as it bears on losses: a message that is nowhere, a figure that is not so."""
    finding = Finding()
    for difference in report.differences:
        is_loss = difference.startswith(("not in the stream", "not applied", "not yet sent", "parked"))
        (finding.lost if is_loss else finding.wrong).append(difference)
    if not report.quiet:
        finding.wrong.append("the system did not stand still to be counted")
    return finding
