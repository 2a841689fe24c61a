"""How many messages were ever announced and applied, by noun: kept by the database itself as the rows change.

Both come from the tables that are the truth, so what they tell stays right whatever NATS has lost, and whoever changes
the rows: relay, audit, a restored backup, a process of an earlier version. Counting the rows would take ever longer.
"""

from sqlalchemy import BigInteger, Column, MetaData, PrimaryKeyConstraint, Table, Text

from shared.database import Database
from shared.reach import open_to_all

_NUMBERS = open_to_all("numbers of messages, which name nobody")

# Ordered, so that relays of several lanes never wait for each other in a ring. Old and new rows are not joined: that,
# planned when there was one of each, would compare all with all when there are hundreds.
_COUNT_SENT = """
CREATE FUNCTION count_sent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox_total AS known (noun, messages)
    SELECT split_part(aggregate, '/', 1) AS noun, sum(messages) FROM (
        SELECT aggregate, 1 AS messages FROM now WHERE published_at IS NOT NULL
        UNION ALL
        SELECT aggregate, -1 FROM was WHERE published_at IS NOT NULL
    ) AS changes GROUP BY noun ORDER BY noun
    ON CONFLICT (noun) DO UPDATE SET messages = known.messages + excluded.messages;
    RETURN NULL;
END $$
"""
_COUNT_BEGUN = """
CREATE FUNCTION count_begun() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inbox_total AS known (consumer, noun, messages)
    SELECT now.consumer, split_part(now.aggregate, '/', 1) AS noun, sum(now.version) AS messages
    FROM now GROUP BY consumer, noun ORDER BY consumer, noun
    ON CONFLICT (consumer, noun) DO UPDATE SET messages = known.messages + excluded.messages;
    RETURN NULL;
END $$
"""
_COUNT_MOVED = """
CREATE FUNCTION count_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inbox_total AS known (consumer, noun, messages)
    SELECT consumer, split_part(aggregate, '/', 1) AS noun, sum(messages) FROM (
        SELECT consumer, aggregate, version AS messages FROM now
        UNION ALL
        SELECT consumer, aggregate, -version FROM was
    ) AS changes GROUP BY consumer, noun ORDER BY consumer, noun
    ON CONFLICT (consumer, noun) DO UPDATE SET messages = known.messages + excluded.messages;
    RETURN NULL;
END $$
"""

COUNT_ANNOUNCED = (
    _COUNT_SENT,
    "CREATE TRIGGER outbox_sent AFTER UPDATE ON outbox REFERENCING OLD TABLE AS was NEW TABLE AS now"
    " FOR EACH STATEMENT EXECUTE FUNCTION count_sent()",
)
"""What is executed once the tables of `remember_announcements` are made."""
COUNT_APPLIED = (
    _COUNT_BEGUN,
    _COUNT_MOVED,
    "CREATE TRIGGER inbox_begun AFTER INSERT ON inbox REFERENCING NEW TABLE AS now"
    " FOR EACH STATEMENT EXECUTE FUNCTION count_begun()",
    "CREATE TRIGGER inbox_moved AFTER UPDATE ON inbox REFERENCING OLD TABLE AS was NEW TABLE AS now"
    " FOR EACH STATEMENT EXECUTE FUNCTION count_moved()",
)
"""What is executed once the tables of `remember_heard` are made."""
COUNT_WHAT_IS_THERE = (
    "INSERT INTO outbox_total (noun, messages) SELECT split_part(aggregate, '/', 1), count(*) FROM outbox"
    " WHERE published_at IS NOT NULL GROUP BY 1",
    "INSERT INTO inbox_total (consumer, noun, messages) SELECT consumer, split_part(aggregate, '/', 1), sum(version)"
    " FROM inbox GROUP BY 1, 2",
)
"""For tables that have rows already. Writers wait meanwhile: about a second for a million messages."""
DROP = (
    "DROP TRIGGER outbox_sent ON outbox",
    "DROP TRIGGER inbox_begun ON inbox",
    "DROP TRIGGER inbox_moved ON inbox",
    "DROP FUNCTION count_sent",
    "DROP FUNCTION count_begun",
    "DROP FUNCTION count_moved",
)

MISCOUNTED_SENT = """
SELECT noun, sent, messages FROM (
    SELECT split_part(aggregate, '/', 1) AS noun, count(*) AS sent FROM outbox WHERE published_at IS NOT NULL GROUP BY 1
) AS counted FULL JOIN outbox_total USING (noun) WHERE coalesce(sent, 0) <> coalesce(messages, 0)
"""
MISCOUNTED_APPLIED = """
SELECT noun, applied, messages FROM (
    SELECT consumer, split_part(aggregate, '/', 1) AS noun, sum(version) AS applied FROM {schema}inbox GROUP BY 1, 2
) AS counted FULL JOIN {schema}inbox_total USING (consumer, noun) WHERE coalesce(applied, 0) <> coalesce(messages, 0)
"""
"""Where a total is not what the rows add up to: `asar verify` asks. `schema` is empty, or ends in a dot."""
_ANNOUNCED = """
SELECT noun, sum(messages)::bigint AS messages FROM (
    SELECT noun, messages FROM outbox_total
    UNION ALL
    SELECT split_part(aggregate, '/', 1), count(*) FROM outbox WHERE published_at IS NULL GROUP BY 1
) AS sent_and_unsent GROUP BY noun
"""
_APPLIED = "SELECT noun, messages FROM inbox_total WHERE consumer = $1"


async def announced(database: Database) -> dict[str, int]:
    """Messages ever announced about each noun, such as `charity.donation`, sent or not."""
    return {row["noun"]: row["messages"] for row in await database.pool.fetch(_ANNOUNCED)}


async def applied(database: Database, consumer: str) -> dict[str, int]:
    """Messages about each noun that a consumer has ever applied."""
    return {row["noun"]: row["messages"] for row in await database.pool.fetch(_APPLIED, consumer)}


def remember_announced(metadata: MetaData) -> None:
    """`outbox_total`: how many messages about a noun have been sent; those not yet sent are few enough to count."""
    Table(
        "outbox_total",
        metadata,
        Column("noun", Text, primary_key=True),
        Column("messages", BigInteger, nullable=False),
        info=_NUMBERS,
    )


def remember_applied(metadata: MetaData) -> None:
    """`inbox_total`: how many messages about a noun a consumer has applied."""
    Table(
        "inbox_total",
        metadata,
        Column("consumer", Text, nullable=False),
        Column("noun", Text, nullable=False),
        Column("messages", BigInteger, nullable=False),
        PrimaryKeyConstraint("consumer", "noun"),
        info=_NUMBERS,
    )
