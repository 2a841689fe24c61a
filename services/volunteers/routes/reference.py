"""Reference data that the service is shipped with."""

from pydantic import BaseModel

from services.volunteers.reference import DIRECTIONS, Direction
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.regions import REGIONS, Region
from shared.requests import router as _router

router = _router("/v1", tags=["reference"])


class Regions(BaseModel):
    """All regions."""

    items: list[Region]


class Directions(BaseModel):
    """All directions."""

    items: list[Direction]


@router.get("/regions", dependencies=[permits(Permission.READ_REFERENCE)])
async def list_regions() -> Regions:
    """The regions of Kazakhstan, with the day since when they exist."""
    return Regions(items=list(REGIONS.values()))


@router.get("/directions", dependencies=[permits(Permission.READ_REFERENCE)])
async def list_directions() -> Directions:
    """The directions of a centre's work."""
    return Directions(items=list(DIRECTIONS.values()))
