"""People can be erased, and what reached them stays."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = ("family", "member", "donation")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("erased_on", sa.Date(), nullable=True))
    op.drop_constraint("donation_anonymous", "donation")
    op.create_check_constraint(
        "donation_anonymous",
        "donation",
        "CASE WHEN anonymous OR erased_on IS NOT NULL THEN donor IS NULL ELSE donor IS NOT NULL END",
    )


def downgrade() -> None:
    # Who was erased cannot be brought back: such a gift is an anonymous one then.
    op.execute("UPDATE donation SET anonymous = TRUE WHERE erased_on IS NOT NULL")
    op.drop_constraint("donation_anonymous", "donation")
    op.create_check_constraint("donation_anonymous", "donation", "anonymous = (donor IS NULL)")
    for table in _TABLES:
        op.drop_column(table, "erased_on")
