"""Rows that come together with what they belong to know the centre themselves, for the policies to look at."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
# ruff: noqa: S608 - the names are our own.

CENTRE_OF = {
    "member": "SELECT centre_id FROM family WHERE family.id = member.family_id",
    "helped": "SELECT centre_id FROM delivery WHERE delivery.id = helped.delivery_id",
    "entry": "SELECT centre_id FROM leg WHERE leg.entry_id = entry.id LIMIT 1",
    # Ids are unique, whatever they are of; a campaign is of several centres.
    "statuschange": """
        SELECT centre_id FROM disbursement WHERE disbursement.id = of_id
        UNION ALL SELECT centre_id FROM family WHERE family.id = of_id
        UNION ALL SELECT centre_id FROM member WHERE member.id = of_id
        UNION ALL SELECT centre_id FROM delivery WHERE delivery.id = of_id
    """,
}


def upgrade() -> None:
    # Its trigger guards what is booked; this adds where, which was always so.
    op.execute("ALTER TABLE entry DISABLE TRIGGER entry_append_only")
    for table, centre in CENTRE_OF.items():
        op.add_column(table, sa.Column("centre_id", sa.Uuid(), nullable=True))
        op.execute(f"UPDATE {table} SET centre_id = ({centre})")
        if table != "statuschange":
            op.alter_column(table, "centre_id", nullable=False)
    op.execute("ALTER TABLE entry ENABLE TRIGGER entry_append_only")


def downgrade() -> None:
    for table in CENTRE_OF:
        op.drop_column(table, "centre_id")
