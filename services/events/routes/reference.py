"""Reference data that the service is shipped with."""

from pydantic import BaseModel

from services.events.reference import FORMATS, Format
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.requests import router as _router

router = _router("/v1", tags=["reference"])


class Formats(BaseModel):
    """All formats."""

    items: list[Format]


@router.get("/formats", dependencies=[permits(Permission.READ_REFERENCE)])
async def list_formats() -> Formats:
    """The formats of events."""
    return Formats(items=list(FORMATS.values()))
