"""Everything the service begins with."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A gift says what its foreign key says: whoever looked before may have been overtaken by the campaign's closing. The
# lock is the one that a foreign key takes; changing the status, which is part of a key, waits for it.
TAKES_GIFTS = """
CREATE FUNCTION require_open_campaign() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM campaign WHERE id = NEW.campaign_id AND status = 'open' FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the campaign takes no gifts'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'donation_campaign', TABLE = 'donation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER donation_takes_open_campaign AFTER INSERT ON donation
    FOR EACH ROW EXECUTE FUNCTION require_open_campaign()
"""

# At the commit, when all legs are there. Each campaign's legs balance by themselves: no fund lends to another.
BALANCED = """
CREATE FUNCTION require_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM leg WHERE entry_id = NEW.entry_id GROUP BY campaign_id HAVING sum(amount_minor) <> 0) THEN
        RAISE EXCEPTION 'the legs of entry % do not sum to zero', NEW.entry_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'leg_balance', TABLE = 'leg';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER leg_balance AFTER INSERT ON leg DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_balance()
"""

APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: correct by a reversal'
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ledger_append_only', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER entry_append_only BEFORE UPDATE OR DELETE ON entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER leg_append_only BEFORE UPDATE OR DELETE ON leg FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entry_kept BEFORE TRUNCATE ON entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER leg_kept BEFORE TRUNCATE ON leg FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("family_number", start=1001, increment=100)))
    op.create_table(
        "campaign",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("title", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("purpose", sa.String(), nullable=True),
        sa.Column("story", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("goal_minor", sa.BigInteger(), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("centre_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("made_from", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('draft', 'open', 'closed', 'reported')", name="campaign_status"),
        sa.CheckConstraint("ends_on >= starts_on", name="campaign_days"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "status", name="campaign_status_is_key"),
    )
    op.create_table(
        "entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reverses_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('gift', 'refund', 'payment')", name="entry_kind"),
        sa.ForeignKeyConstraint(
            ["reverses_id"],
            ["entry.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "family",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("lives_in", sa.String(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=True),
        sa.Column("referred_by", sa.LargeBinary(), nullable=True),
        sa.Column("categories", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("registered_on", sa.Date(), nullable=False),
        sa.Column("made_from", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('draft', 'verified', 'archived')", name="family_status"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
    op.create_index("family_of_centre", "family", ["centre_id", "id"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("principal", "operation", "key"),
    )
    op.create_index("idempotency_answered", "idempotency", ["answered_at"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("aggregate", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "aggregate"),
    )
    op.create_table(
        "knowncentre",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("aggregate", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("aggregate", "version", name="outbox_version"),
    )
    op.create_index("outbox_message", "outbox", ["message_id"], unique=False)
    op.create_index(
        "outbox_unsent", "outbox", ["lane", "position"], unique=False, postgresql_where=sa.text("published_at IS NULL")
    )
    op.create_table(
        "parked",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("aggregate", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("parked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "aggregate", "version"),
    )
    op.create_table(
        "statuschange",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("of_id", sa.Uuid(), nullable=False),
        sa.Column("was", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_statuschange_of_id", "statuschange", ["of_id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=True),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value_minor", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("snapshot", sa.LargeBinary(), nullable=False),
        sa.Column("voided_on", sa.Date(), nullable=True),
        sa.Column("void_reason", sa.String(), nullable=True),
        sa.Column("made_from", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('money', 'goods', 'service')", name="delivery_kind"),
        sa.CheckConstraint("value_minor >= 0", name="delivery_value"),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
        ),
        sa.ForeignKeyConstraint(
            ["family_id"],
            ["family.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "delivery_of_campaign",
        "delivery",
        ["campaign_id", "occurred_on"],
        unique=False,
        postgresql_include=["family_id"],
        postgresql_where=sa.text("voided_on IS NULL"),
    )
    op.create_index(
        "delivery_of_centre",
        "delivery",
        ["centre_id", "occurred_on"],
        unique=False,
        postgresql_include=["family_id", "campaign_id"],
        postgresql_where=sa.text("voided_on IS NULL"),
    )
    op.create_index("delivery_of_family", "delivery", ["family_id", "id"], unique=False)
    op.create_index(
        "delivery_of_region",
        "delivery",
        ["region", "occurred_on"],
        unique=False,
        postgresql_include=["family_id", "campaign_id"],
        postgresql_where=sa.text("voided_on IS NULL"),
    )
    op.create_table(
        "disbursement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=True),
        sa.Column("made_from", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('requested', 'approved', 'paid', 'voided')", name="disbursement_status"),
        sa.CheckConstraint("amount_minor > 0", name="disbursement_amount"),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaign.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "disbursement_held",
        "disbursement",
        ["campaign_id"],
        unique=False,
        postgresql_include=["amount_minor"],
        postgresql_where=sa.text("status IN ('requested', 'approved')"),
    )
    op.create_index("disbursement_of_campaign", "disbursement", ["campaign_id", "id"], unique=False)
    op.create_table(
        "donation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("goods", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("anonymous", sa.Boolean(), nullable=False),
        sa.Column("donor", sa.LargeBinary(), nullable=True),
        sa.Column("external_ref", sa.String(), nullable=True),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("receipt_year", sa.SmallInteger(), nullable=False),
        sa.Column("receipt_number", sa.Integer(), nullable=True),
        sa.Column("made_from", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(kind = 'goods') = (method = 'goods')", name="donation_kind"),
        sa.CheckConstraint("amount_minor > 0", name="donation_amount"),
        sa.CheckConstraint("anonymous = (donor IS NULL)", name="donation_anonymous"),
        sa.CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="donation_refunded"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="donation_campaign"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("receipt_year", "receipt_number", name="donation_receipt"),
    )
    op.create_index("donation_of_campaign", "donation", ["campaign_id", "id"], unique=False)
    op.create_index("donation_of_centre", "donation", ["centre_id", "id"], unique=False)
    op.create_index(
        "donation_reference",
        "donation",
        ["centre_id", "method", "external_ref"],
        unique=True,
        postgresql_where=sa.text("external_ref IS NOT NULL"),
    )
    op.create_index(
        "donation_without_receipt",
        "donation",
        ["receipt_year", "id"],
        unique=False,
        postgresql_where=sa.text("receipt_number IS NULL"),
    )
    op.create_table(
        "leg",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.CheckConstraint("account IN ('donors', 'cash', 'aid', 'donors_in_kind', 'goods')", name="leg_account"),
        sa.CheckConstraint("amount_minor <> 0", name="leg_amount"),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["entry.id"],
        ),
        sa.PrimaryKeyConstraint("entry_id", "position"),
    )
    op.create_index(
        "leg_of_campaign",
        "leg",
        ["campaign_id", "occurred_on"],
        unique=False,
        postgresql_include=["account", "amount_minor"],
        postgresql_where=sa.text("account <> 'cash'"),
    )
    op.create_index(
        "leg_of_centre",
        "leg",
        ["centre_id", "occurred_on"],
        unique=False,
        postgresql_include=["account", "amount_minor", "campaign_id"],
        postgresql_where=sa.text("account <> 'cash'"),
    )
    op.create_index(
        "leg_of_region",
        "leg",
        ["region", "occurred_on"],
        unique=False,
        postgresql_include=["account", "amount_minor", "campaign_id"],
        postgresql_where=sa.text("account <> 'cash'"),
    )
    op.create_table(
        "member",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("full_name", sa.LargeBinary(), nullable=False),
        sa.Column("born_on", sa.LargeBinary(), nullable=False),
        sa.Column("iin", sa.LargeBinary(), nullable=True),
        sa.Column("iin_index", sa.LargeBinary(), nullable=True),
        sa.Column("relation", sa.String(), nullable=False),
        sa.Column("categories", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("until_on", sa.Date(), nullable=True),
        sa.CheckConstraint("until_on >= from_on", name="member_days"),
        sa.ForeignKeyConstraint(
            ["family_id"],
            ["family.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_member_family_id", "member", ["family_id"], unique=False)
    op.create_index(
        "member_iin",
        "member",
        ["iin_index"],
        unique=True,
        postgresql_where=sa.text("iin_index IS NOT NULL AND until_on IS NULL"),
    )
    op.create_table(
        "helped",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["delivery.id"],
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["member.id"],
        ),
        sa.PrimaryKeyConstraint("delivery_id", "person_id"),
    )
    op.create_table(
        "refund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("donation_id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("made_from", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_by", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name="refund_amount"),
        sa.ForeignKeyConstraint(
            ["donation_id"],
            ["donation.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_refund_donation_id", "refund", ["donation_id"], unique=False)

    for script in (TAKES_GIFTS, BALANCED, APPEND_ONLY):
        # asyncpg prepares each statement, and prepares one at a time.
        for statement in script.split(";\nCREATE"):
            op.execute(statement if statement.lstrip().startswith("CREATE") else f"CREATE{statement}")


def downgrade() -> None:
    op.drop_table("refund")
    op.drop_table("helped")
    op.drop_table("member")
    op.drop_table("leg")
    op.drop_table("donation")
    op.drop_table("disbursement")
    op.drop_table("delivery")
    op.drop_table("statuschange")
    op.drop_table("parked")
    op.drop_table("outbox")
    op.drop_table("knowncentre")
    op.drop_table("inbox")
    op.drop_table("idempotency")
    op.drop_table("family")
    op.drop_table("entry")
    op.drop_table("campaign")
    op.execute("DROP FUNCTION require_open_campaign")
    op.execute("DROP FUNCTION require_balance")
    op.execute("DROP FUNCTION refuse_change")
    op.execute(sa.schema.DropSequence(sa.Sequence("family_number")))
