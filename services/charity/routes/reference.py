"""Reference data that the service is shipped with."""

from pydantic import BaseModel

from services.charity.reference import CATEGORIES, Category
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.requests import router as _router

router = _router("/v1/categories", tags=["reference"])


class Categories(BaseModel):
    """All categories."""

    items: list[Category]


@router.get("", dependencies=[permits(Permission.READ_REFERENCE)])
async def list_categories() -> Categories:
    """Why a family or person is socially vulnerable."""
    return Categories(items=list(CATEGORIES.values()))
