"""Birth days, affiliations and reasons are sealed; the month of birth stays readable for age rules."""

import sqlalchemy as sa
from alembic import op

from shared.migrations import seal_column, unseal_column

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("volunteer", sa.Column("born_in", sa.String(), nullable=True))
    op.execute("UPDATE volunteer SET born_in = to_char(born_on, 'YYYY-MM')")
    op.alter_column("volunteer", "born_in", nullable=False)
    seal_column("volunteer", "born_on")
    seal_column("volunteer", "affiliation")
    seal_column("statuschange", "reason")


def downgrade() -> None:
    unseal_column("statuschange", "reason", "TEXT")
    unseal_column("volunteer", "affiliation", "VARCHAR")
    unseal_column("volunteer", "born_on", "DATE", optional=False)
    op.drop_column("volunteer", "born_in")
