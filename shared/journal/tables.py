"""The journal's table, and what the database does when a row is added."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Index, LargeBinary, MetaData, Table, Text, text

from shared.reach import APPEND_ONLY, open_to_all

# The lock is taken before the last row is read, so writers stand in line; and a volatile function sees what the one
# before them has committed. `shared.journal.chain` computes the same hash.
_LINK = r"""
CREATE FUNCTION link_journal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last journal%ROWTYPE;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('journal'));
    SELECT * INTO last FROM journal ORDER BY number DESC LIMIT 1;
    NEW.number := coalesce(last.number, 0) + 1;
    NEW.previous := coalesce(last.hash, decode(repeat('00', 32), 'hex'));
    NEW.hash := sha256(NEW.previous || convert_to(concat_ws(E'\x1f',
        NEW.number, (extract(epoch FROM NEW.at) * 1000000)::bigint, NEW."by", NEW.what, NEW.record, NEW.outcome,
        coalesce(NEW.purpose, '')), 'UTF8'));
    RETURN NEW;
END $$
"""
_KEEP = """
CREATE FUNCTION keep_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is only ever added to';
END $$
"""

CREATE = (
    _LINK,
    _KEEP,
    "CREATE TRIGGER journal_link BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION link_journal()",
    "CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE ON journal"
    " FOR EACH ROW EXECUTE FUNCTION keep_journal()",
    "CREATE TRIGGER journal_kept BEFORE TRUNCATE ON journal FOR EACH STATEMENT EXECUTE FUNCTION keep_journal()",
)
"""What a migration executes once it has made the table."""
DROP = ("DROP TABLE journal", "DROP FUNCTION link_journal", "DROP FUNCTION keep_journal")


def remember_journal(metadata: MetaData) -> None:
    """`journal`: what was done to people's data and rights."""
    Table(
        "journal",
        metadata,
        # The database fills in number, previous and hash.
        Column("number", BigInteger, primary_key=True, autoincrement=False, server_default=text("0")),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("by", Text, nullable=False),
        Column("what", Text, nullable=False),
        Column("record", Text, nullable=False),
        Column("purpose", Text),
        Column("outcome", Text, nullable=False),
        Column("previous", LargeBinary, nullable=False, server_default=text("''")),
        Column("hash", LargeBinary, nullable=False, server_default=text("''")),
        CheckConstraint("outcome IN ('done', 'refused')", name="journal_outcome"),
        # What separates the fields in the hash stands in none of them.
        CheckConstraint(r"""("by" || what || record || coalesce(purpose, '')) !~ '[\x01-\x1f]'""", name="journal_text"),
        Index("journal_of_record", "record", "number"),
        info=open_to_all("it names nobody, and is read by those who may read all of it") | APPEND_ONLY,
    )
