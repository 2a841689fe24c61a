"""Does the jobs of one service: a page at a time, whichever job has waited longest, one worker to a job."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import get_args
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from shared import failpoints
from shared.access.permissions import Permission
from shared.access.principal import NOTHING, Principal
from shared.database import CONNECTION_LOST, TRY_AGAIN, Database, DatabaseUnavailable, Transaction
from shared.jobs.job import KEEP_DAYS, Job, Page, closed_answers, opened_page
from shared.jobs.outcomes import Kept, What, counted
from shared.metrics import JOB_FAILURES, JOB_ROWS, JOBS, JOBS_AGE
from shared.sealed import Seal
from shared.telemetry import log

POLL_S = 0.5
ATTEMPTS_MAX = 5
"""How often a page may fail by a mistake of ours before its job is given up."""
_PAUSE_S = 2.0

_WAITING = (
    "SELECT id, kind, principal FROM job WHERE ended_at IS NULL AND due_at <= now() AND kind = ANY($1)"
    " ORDER BY due_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
)
_TAKE = "SELECT * FROM job WHERE id = $1 AND ended_at IS NULL FOR NO KEY UPDATE SKIP LOCKED"
_NEXT = "SELECT number, rows, answers FROM job_page WHERE job_id = $1 AND answers IS NULL ORDER BY number LIMIT 1"
_DONE = "UPDATE job_page SET answers = $3 WHERE job_id = $1 AND number = $2"
# Behind the others that wait: a job of a hundred thousand rows holds up none of ten.
_ADVANCE = (
    "UPDATE job SET done = done + $2, failed = failed + $3, outcomes = $4, attempts = 0, due_at = clock_timestamp(),"
    " status = CASE WHEN done + $2 >= total THEN 'succeeded' ELSE 'running' END,"
    " ended_at = CASE WHEN done + $2 >= total THEN clock_timestamp() END,"
    " expires_at = clock_timestamp() + make_interval(days => $5) WHERE id = $1"
)
_FAIL = (
    "UPDATE job SET attempts = attempts + 1,"
    " due_at = clock_timestamp() + make_interval(secs => $2::float8 * (attempts + 1)),"
    " status = CASE WHEN attempts + 1 >= $3 THEN 'failed' ELSE status END,"
    " ended_at = CASE WHEN attempts + 1 >= $3 THEN clock_timestamp() END WHERE id = $1"
)
_OPEN = (
    "SELECT kind, count(*), extract(epoch FROM now() - min(due_at)) AS age_s FROM job"
    " WHERE ended_at IS NULL GROUP BY kind"
)
_REMEMBER = "INSERT INTO job_key (job_id, key) SELECT $1, unnest($2::bytea[]) ON CONFLICT DO NOTHING"
_SEEN = "SELECT key FROM job_key WHERE job_id = $1 AND key = ANY($2::bytea[])"


@dataclass(frozen=True)
class Worked:
    """What became of a page's rows. `keys`: hashes by which a dry run knows again whom it would have added."""

    answers: list[Kept]
    keys: list[bytes] = field(default_factory=list[bytes])


Work = Callable[[Transaction, Job, Page], Awaitable[Worked]]


@dataclass(frozen=True)
class Kind:
    """A kind of job: how a page of it is done, and the permission that says how far it reaches."""

    work: Work
    permission: Permission


class Worker:
    """Runs in each process that works for a service."""

    def __init__(self, kinds: Mapping[str, Kind], seal: Callable[[], Seal]) -> None:
        self._kinds = kinds
        self._seal = seal
        for kind in kinds:
            # Counters that begin with their first event show no increase.
            JOB_FAILURES.labels(kind)
            for outcome in get_args(What):
                JOB_ROWS.labels(kind, outcome)

    async def run(self, database: Database) -> None:
        """Work until cancelled."""
        while True:
            try:
                worked = await self.turn(database)
            except (*CONNECTION_LOST, DatabaseUnavailable, *TRY_AGAIN) as error:
                log.warning("jobs wait", error=type(error).__name__)
                worked = False
            if not worked:
                await asyncio.sleep(POLL_S)

    async def turn(self, database: Database) -> bool:
        """Do one page of the job that has waited longest; False where none waits, or another worker has it."""
        waiting = await database.pool.fetchrow(_WAITING, list(self._kinds))
        if waiting is None:
            return False
        kind = self._kinds[waiting["kind"]]
        try:
            principal = Principal.model_validate(waiting["principal"])
        except ValidationError as error:
            # Another version of this program described its maker otherwise.
            async with database.transaction(NOTHING) as tx:
                return await _failed(tx, waiting, error)
        # As far as its maker reaches, and no further.
        async with database.transaction(principal.reach(kind.permission)) as tx:
            return await self._page(tx, kind, principal, waiting["id"])

    async def tell(self, database: Database) -> None:
        """Have Prometheus know what waits."""
        waiting = {row["kind"]: row for row in await database.pool.fetch(_OPEN)}
        for kind in self._kinds:
            count, age_s = (waiting[kind]["count"], waiting[kind]["age_s"]) if kind in waiting else (0, 0)
            JOBS.labels(kind).set(count)
            # Put off after a failure, it is not due yet.
            JOBS_AGE.labels(kind).set(max(0.0, float(age_s)))

    async def _page(self, tx: Transaction, kind: Kind, principal: Principal, job_id: UUID) -> bool:
        await tx.begin()
        taken = await tx.sql(_TAKE, job_id)
        if not taken:
            return False
        [record] = taken
        job = Job(job_id, record["kind"], record["validate_only"], principal, record["asked"])
        [next_page] = await tx.sql(_NEXT, job_id)
        seal = self._seal()
        try:
            page = opened_page(seal, job_id, next_page)
            async with tx.rehearsal() if job.validate_only else tx.attempt():
                worked = await kind.work(tx, job, page)
        except (*CONNECTION_LOST, *TRY_AGAIN):
            raise
        except Exception as error:  # noqa: BLE001  # one job that cannot be done must not stop the others
            return await _failed(tx, record, error)
        failpoints.reach("job.after_page_before_note")
        counts = counted(worked.answers)
        outcomes = {what: record["outcomes"].get(what, 0) + counts.get(what, 0) for what in counts | record["outcomes"]}
        await tx.sql(_DONE, job_id, page.number, closed_answers(seal, worked.answers, job_id, page.number))
        if worked.keys:
            await tx.sql(_REMEMBER, job_id, worked.keys)
        await tx.sql(_ADVANCE, job_id, len(page.rows), counts.get("refused", 0), outcomes, KEEP_DAYS)
        if not job.validate_only:
            for outcome, rows in counts.items():
                JOB_ROWS.labels(job.kind, outcome).inc(rows)
        return True


async def _failed(tx: Transaction, record: asyncpg.Record, error: Exception) -> bool:
    """Put a job off, and give it up after some attempts."""
    JOB_FAILURES.labels(record["kind"]).inc()
    log.error("job failed", kind=record["kind"], job=str(record["id"]), error=type(error).__name__)
    await tx.sql(_FAIL, record["id"], _PAUSE_S, ATTEMPTS_MAX)
    return True


async def seen_before(tx: Transaction, job: Job, keys: list[bytes]) -> set[bytes]:
    """Which of these keys earlier pages of a dry run have left."""
    return {row["key"] for row in await tx.sql(_SEEN, job.id, keys)}
