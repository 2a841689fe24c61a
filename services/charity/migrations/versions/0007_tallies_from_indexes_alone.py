"""All that a tally asks of deliveries stands in the indexes by which it finds them."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BESIDE = {
    "campaign_id": (["family_id"], ["id", "family_id", "centre_id"]),
    "centre_id": (["family_id", "campaign_id"], ["id", "family_id", "campaign_id"]),
    "region": (["family_id", "campaign_id"], ["id", "family_id", "centre_id", "campaign_id"]),
}
"""By what deliveries are found, and what stood beside it and stands there now."""


def upgrade() -> None:
    for by, (_, now) in BESIDE.items():
        _make_anew(by, now)
    op.create_index("helped_of_centre", "helped", ["centre_id", "delivery_id", "person_id"])


def downgrade() -> None:
    op.drop_index("helped_of_centre", "helped")
    for by, (was, _) in BESIDE.items():
        _make_anew(by, was)


def _make_anew(by: str, beside: list[str]) -> None:
    name = f"delivery_of_{by.removesuffix('_id')}"
    op.drop_index(name, "delivery")
    op.create_index(
        name, "delivery", [by, "occurred_on"], postgresql_include=beside, postgresql_where="voided_on IS NULL"
    )
