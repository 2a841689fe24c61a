"""The journal of what was done to people's data and rights."""

import sqlalchemy as sa
from alembic import op

from shared import journal

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("number", sa.BigInteger(), server_default=sa.text("0"), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), server_default=sa.text("''"), nullable=False),
        sa.Column("hash", sa.LargeBinary(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("outcome IN ('done', 'refused')", name="journal_outcome"),
        sa.CheckConstraint(
            r"""("by" || what || record || coalesce(purpose, '')) !~ '[\x01-\x1f]'""", name="journal_text"
        ),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("journal_of_record", "journal", ["record", "number"], unique=False)
    for statement in journal.CREATE:
        op.execute(statement)


def downgrade() -> None:
    for statement in journal.DROP:
        op.execute(statement)
