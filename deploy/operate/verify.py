"""`asar verify`: every figure of the dashboard counted anew, every message accounted for, every journal unbroken.

The parts of a running system do not stand still for it, so what is compared is a cut between two facts: counted again
until nothing was announced while counting and everything announced has been applied.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from datetime import date, timedelta
from pathlib import Path

import asyncpg
import nats.errors
from nats.aio.client import Client
from pydantic import BaseModel, TypeAdapter
from rich.console import Console, ConsoleOptions, RenderResult

from deploy.local.files import write_private
from deploy.local.installation import Installation
from deploy.local.refusals import CannotRun
from deploy.operate import recount
from deploy.operate.recount import Connection
from services.charity.consumers import consumer as charity_consumer
from services.events.consumers import consumer as events_consumer
from services.gateway import queries
from services.gateway.domain import FLOWS, STOCKS, Period
from services.gateway.generations import schema_of
from services.gateway.tables import ReadModel
from services.volunteers.consumers import consumer as volunteers_consumer
from shared import clock, journal
from shared.access.principal import EVERYTHING
from shared.database import Database
from shared.journal import Head
from shared.messaging import audit, totals
from shared.messaging.connection import connect
from shared.messaging.permissions import OPERATOR
from shared.messaging.subjects import PUBLISHERS

DEADLINE_S = 120.0
SHOWN_MAX = 50
HEADS = "journal-heads.json"
"""In the data directory: the journals' last rows, as the last verification without a difference saw them."""
_HEADS = TypeAdapter(dict[str, Head])
_LISTENERS = {"volunteers": volunteers_consumer, "events": events_consumer, "charity": charity_consumer}


class Report(BaseModel):
    """What was compared, and what differs."""

    compared: int = 0
    scopes: int = 0
    periods: int = 0
    messages: int = 0
    journal: dict[str, Head] = {}
    """The last row of each service's journal, for whoever wants to keep it elsewhere."""
    differences: list[str] = []
    seconds: float = 0.0
    quiet: bool = True
    """False when the system never stood still long enough; the differences may then be of the moment."""

    @property
    def ok(self) -> bool:
        return not self.differences and self.quiet

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield (
            f"Compared {self.compared:,} figures ({self.scopes} scopes, {self.periods} periods) with the services' own "
            f"tables, {self.messages:,} messages with the streams and their consumers, and the chains of "
            f"{sum(head.number for head in self.journal.values()):,} journal entries, in {self.seconds:.1f} s."
        )
        if not self.quiet:
            yield "[yellow]The system never stood still while it was counted; try again when less is going on.[/]"
        if not self.differences:
            yield "[green]0 differences.[/]" if self.quiet else "0 differences so far."
            return
        yield f"[red]{len(self.differences)} differences:[/]"
        for difference in self.differences[:SHOWN_MAX]:
            yield f"  {difference}"
        if len(self.differences) > SHOWN_MAX:
            yield f"  … and {len(self.differences) - SHOWN_MAX} more (--json lists all)"


def verify(data_dir: Path) -> Report:
    """Compare everything in this installation, which must be running.

    Raises:
        CannotRun: its database or NATS does not answer.
    """
    installation = Installation(data_dir)
    urls = {service: installation.database_url(service) for service in ("gateway", *PUBLISHERS)}
    try:
        report = asyncio.run(compare(urls, installation.nats.url(OPERATOR), seen=_seen(data_dir)))
    except (OSError, asyncpg.PostgresError, nats.errors.Error) as error:
        what = type(error).__name__
        raise CannotRun(f"Asar does not answer on {data_dir}: start it with `asar up`. ({what})") from error
    if report.ok:
        # Beside the databases: who cuts a journal off must know of this file as well.
        write_private(data_dir / HEADS, _HEADS.dump_json(report.journal).decode())
    return report


def _seen(data_dir: Path) -> dict[str, Head]:
    """The journals' last rows as the last good verification saw them."""
    try:
        return _HEADS.validate_json((data_dir / HEADS).read_bytes())
    except FileNotFoundError:
        return {}


async def compare(database_urls: Mapping[str, str], nats_url: str, *, seen: Mapping[str, Head] | None = None) -> Report:
    """Compare until a quiet moment was met, at most for `DEADLINE_S`.

    `seen` are the journals' last rows of an earlier time, which must still be there.
    """
    began = time.monotonic()
    async with _connected(database_urls, nats_url) as (connections, client):
        while True:
            before = await _announced(connections)
            report = await _compare(database_urls["gateway"], connections, client, seen or {})
            report.quiet = before == await _announced(connections)
            report.seconds = round(time.monotonic() - began, 1)
            if report.ok or time.monotonic() - began > DEADLINE_S:
                return report
            if report.quiet and await _all_applied(connections):
                # Nothing moved and nothing is on its way: these differences stay.
                return report
            await asyncio.sleep(0.3)


@contextlib.asynccontextmanager
async def _connected(urls: Mapping[str, str], nats_url: str) -> AsyncGenerator[tuple[dict[str, Connection], Client]]:
    async with contextlib.AsyncExitStack() as stack:
        connections: dict[str, Connection] = {}
        for service, url in urls.items():
            # Nothing of any centre is to be left out.
            connections[service] = await asyncpg.connect(url, timeout=5, server_settings=EVERYTHING.settings)
            stack.push_async_callback(connections[service].close)
        client = await connect(nats_url, max_reconnect_attempts=2, connect_timeout=3)
        stack.push_async_callback(client.close)
        yield connections, client


async def _announced(connections: Mapping[str, Connection]) -> list[int]:
    return [await connections[service].fetchval("SELECT count(*) FROM outbox") for service in PUBLISHERS]


async def _all_applied(connections: Mapping[str, Connection]) -> bool:
    schema = await _schema(connections)
    kept = await connections["gateway"].fetchval(f'SELECT revision FROM "{schema}".progress')  # noqa: S608  # ours
    return kept == sum(await _announced(connections))


async def _schema(connections: Mapping[str, Connection]) -> str:
    number = await connections["gateway"].fetchval(
        "SELECT number FROM generation WHERE status = 'active' ORDER BY number DESC LIMIT 1"
    )
    return schema_of(number)


async def _compare(
    gateway_url: str, connections: Mapping[str, Connection], client: Client, seen: Mapping[str, Head]
) -> Report:
    report = Report()
    await _compare_figures(gateway_url, connections, report)
    report.differences += await recount.ledger(connections["charity"])
    await _compare_messages(connections, client, report)
    for service, connection in connections.items():
        checked = await journal.check(connection, seen=seen.get(service))
        report.journal[service] = checked.head
        report.differences += [f"the journal of {service}: {fault}" for fault in checked.faults]
    return report


# --- figures ----------------------------------------------------------------------------------------------------------


async def _compare_figures(gateway_url: str, connections: Mapping[str, Connection], report: Report) -> None:
    schema = await _schema(connections)
    model = Database(gateway_url, ReadModel.metadata, pool_size=2, schema=schema)
    await model.open()
    try:
        daily = await recount.daily(connections)
        distinct = await recount.distinct(connections["charity"])
        shown_scopes = await model.pool.fetch("SELECT scope FROM figureday UNION SELECT scope FROM helped")
        scopes = sorted(set(daily) | {scope for scope, _, _ in distinct} | {row["scope"] for row in shown_scopes})
        days = {day for by_day in daily.values() for day in by_day}
        days |= {row["day"] for row in await model.pool.fetch("SELECT DISTINCT day FROM figureday")}
        periods = _periods(days)
        report.scopes, report.periods = len(scopes), len(periods)
        today = clock.civil_day(clock.now())
        for stretch, period in periods:
            shown = await queries.figures(model.pool, scopes, period, today=today)
            for scope in scopes:
                counted = _counted(daily.get(scope, {}), period, today=today)
                start = period.start or date(1900, 1, 1)
                counted |= {"families_helped": 0, "people_helped": 0} | distinct.get((scope, stretch, start), {})
                for name, number in counted.items():
                    report.compared += 1
                    if name in shown[scope] and shown[scope][name] != number:
                        when = f"{stretch} {start}" if period.start else "all time"
                        report.differences.append(
                            f"{scope}, {when}, {name}: {shown[scope][name]} shown, {number} counted"
                        )
    finally:
        await model.close()


def _periods(days: set[date]) -> list[tuple[str, Period]]:
    """All time, every year and every month in which something happened."""
    years = sorted({day.year for day in days})
    months = sorted({day.replace(day=1) for day in days})
    return [
        ("all", Period()),
        *(("year", Period(date(year, 1, 1), date(year, 12, 31))) for year in years),
        *(("month", Period(first, _last_of_month(first))) for first in months),
    ]


def _last_of_month(first: date) -> date:
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def _counted(by_day: Mapping[date, Mapping[str, int]], period: Period, *, today: date) -> dict[str, int]:
    """Stocks as at the end of the period, or today where that is open; flows within it; by plain addition."""
    numbers: dict[str, int] = dict.fromkeys((*STOCKS, *FLOWS), 0)
    for day, amounts in by_day.items():
        if period.end is not None and day > period.end:
            continue
        for name, amount in amounts.items():
            if day <= (period.end or today) if name in STOCKS else period.start is None or day >= period.start:
                numbers[name] += amount
    numbers["money_net_minor"] = numbers["money_received_minor"] - numbers["money_refunded_minor"]
    return numbers


# --- messages ---------------------------------------------------------------------------------------------------------


async def _compare_messages(connections: Mapping[str, Connection], client: Client, report: Report) -> None:
    """Every outbox row is in its stream, and applied by everybody who listens to it."""
    announced: dict[str, int] = {}
    for service in PUBLISHERS:
        published: dict[str, str] = {}
        for message_id, aggregate, version, sent in await connections[service].fetch(
            "SELECT message_id, aggregate, version, published_at IS NOT NULL FROM outbox"
        ):
            report.messages += 1
            announced[aggregate] = max(announced.get(aggregate, 0), version)
            published[str(message_id)] = f"{aggregate} version {version}"
            if not sent:
                report.differences.append(f"not yet sent: {aggregate} version {version}")
        async for message_id in audit.stored_ids(client, service):
            published.pop(message_id, None)
        report.differences += [f"not in the stream: {what}" for what in published.values()]
        await _compare_totals(connections[service], f"sent by {service}", totals.MISCOUNTED_SENT, report)

    schema = await _schema(connections)
    await _compare_inbox(connections["gateway"], f'"{schema}".', "gateway", announced, report)
    for listener, consumer in _LISTENERS.items():
        heard = tuple(f"{service}.{noun}/" for service, nouns in consumer.nouns.items() for noun in nouns)
        theirs = {aggregate: version for aggregate, version in announced.items() if aggregate.startswith(heard)}
        await _compare_inbox(connections[listener], "", listener, theirs, report)


async def _compare_totals(connection: Connection, what: str, miscounted: str, report: Report) -> None:
    """What Prometheus is told of messages is what their rows add up to."""
    for noun, rows, told in await connection.fetch(miscounted):
        report.differences.append(f"miscounted as {what}: {noun}, {told or 0} in place of {rows or 0}")


async def _compare_inbox(
    connection: Connection, schema: str, listener: str, announced: dict[str, int], report: Report
) -> None:
    miscounted = totals.MISCOUNTED_APPLIED.format(schema=schema)
    await _compare_totals(connection, f"applied by {listener}", miscounted, report)
    rows = await connection.fetch(f"SELECT aggregate, version FROM {schema}inbox")  # noqa: S608
    applied: dict[str, int] = {row["aggregate"]: row["version"] for row in rows}
    for aggregate, version in announced.items():
        if applied.get(aggregate, 0) != version:
            report.differences.append(
                f"not applied by {listener}: {aggregate} version {version}, it is at {applied.get(aggregate, 0)}"
            )
    for aggregate, version, reason in await connection.fetch(
        f"SELECT aggregate, version, reason FROM {schema}parked"  # noqa: S608
    ):
        report.differences.append(f"parked by {listener} ({reason}): {aggregate} version {version}")
