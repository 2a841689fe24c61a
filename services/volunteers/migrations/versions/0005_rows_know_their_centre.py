"""Rows that come together with a volunteer know the centre themselves, for the policies to look at."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
# ruff: noqa: S608 - the names are our own.

TABLES = ("consent", "statuschange")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("centre_id", sa.Uuid(), nullable=True))
        op.execute(
            f"UPDATE {table} SET centre_id = volunteer.centre_id FROM volunteer WHERE volunteer.id = volunteer_id"
        )
        op.alter_column(table, "centre_id", nullable=False)


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "centre_id")
