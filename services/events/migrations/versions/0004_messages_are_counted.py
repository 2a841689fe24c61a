"""The database counts what was announced and applied, so that anyone can tell what is missing."""

import sqlalchemy as sa
from alembic import op

from shared.messaging import totals

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox_total",
        sa.Column("noun", sa.Text(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("noun"),
    )
    op.create_table(
        "inbox_total",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "noun"),
    )
    for statement in (*totals.COUNT_ANNOUNCED, *totals.COUNT_APPLIED, *totals.COUNT_WHAT_IS_THERE):
        op.execute(statement)


def downgrade() -> None:
    for statement in totals.DROP:
        op.execute(statement)
    op.drop_table("inbox_total")
    op.drop_table("outbox_total")
