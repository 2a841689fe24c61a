"""Categories, notes and reasons are sealed."""

from alembic import op

from shared.migrations import seal_column, unseal_column

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_READABLE = (
    ("family", "categories", "JSONB", False),
    ("member", "categories", "JSONB", False),
    ("delivery", "description", "VARCHAR", True),
    ("delivery", "void_reason", "VARCHAR", True),
    ("refund", "reason", "VARCHAR", False),
    ("statuschange", "reason", "VARCHAR", True),
)
_NOT_NULL = (("member", "full_name"), ("member", "born_on"), ("delivery", "snapshot"))


def upgrade() -> None:
    for table, column, _, _ in _READABLE:
        seal_column(table, column)
    for table, column in _NOT_NULL:
        op.alter_column(table, column, nullable=True)


def downgrade() -> None:
    for table, column in _NOT_NULL:
        op.alter_column(table, column, nullable=False)
    for table, column, type_, optional in _READABLE:
        unseal_column(table, column, type_, optional=optional)
