"""What a service remembers of its jobs."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.reach import open_to_all
from shared.sealed import SEALED

_THEIRS = open_to_all("a job is its maker's, who is asked for by name; its rows are sealed, and it works as its maker")


def remember_jobs(metadata: MetaData) -> None:
    """`job`: what is to be done and how far it is. `job_page`: its rows, and what became of them. `job_key`: hashes of
    whom a dry run would have added, since a page of it sees nothing of the pages before.

    Rows and answers are sealed, since they hold personal data; they go with the job.
    """
    Table(
        "job",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("validate_only", Boolean, nullable=False),
        Column("made_by", Text, nullable=False),
        Column("principal", JSONB, nullable=False),
        Column("asked", JSONB, nullable=False),
        Column("heading", LargeBinary, nullable=False, info=dict(SEALED)),
        Column("total", Integer, nullable=False),
        Column("done", Integer, nullable=False),
        Column("failed", Integer, nullable=False),
        Column("outcomes", JSONB, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("made_at", DateTime(timezone=True), nullable=False),
        Column("ended_at", DateTime(timezone=True)),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        CheckConstraint("done <= total AND failed <= done", name="job_progress"),
        Index("job_waiting", "due_at", postgresql_where=text("ended_at IS NULL")),
        Index("job_of", "made_by", "id"),
        Index("job_expired", "expires_at"),
        info=_THEIRS,
    )
    Table(
        "job_page",
        metadata,
        Column("job_id", Uuid, ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
        Column("number", Integer, nullable=False),
        Column("rows", LargeBinary, nullable=False, info=dict(SEALED)),
        # Absent until the page is done.
        Column("answers", LargeBinary, info=dict(SEALED)),
        PrimaryKeyConstraint("job_id", "number"),
        info=_THEIRS,
    )
    Table(
        "job_key",
        metadata,
        Column("job_id", Uuid, ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
        Column("key", LargeBinary, nullable=False),
        PrimaryKeyConstraint("job_id", "key"),
        info=_THEIRS,
    )
