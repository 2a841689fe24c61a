"""Accounts of people who were erased have no name."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("account", "name", nullable=True)


def downgrade() -> None:
    # They are closed for good; without a name, the older version could not show them.
    op.execute("DELETE FROM session WHERE account_id IN (SELECT id FROM account WHERE name IS NULL)")
    op.execute("DELETE FROM accountgrant WHERE account_id IN (SELECT id FROM account WHERE name IS NULL)")
    op.execute("DELETE FROM apikey WHERE account_id IN (SELECT id FROM account WHERE name IS NULL)")
    op.execute("DELETE FROM account WHERE name IS NULL")
    op.alter_column("account", "name", nullable=False)
