"""A person's data over all services, in one archive."""

from http import HTTPStatus
from uuid import UUID

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.gateway.proxy import Proxy, ServiceUnavailable
from services.gateway.queries import access as queries
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.access.principal import EVERYTHING
from shared.archive import Part, archive, download
from shared.clock import Now
from shared.database import Database
from shared.errors import Gone, NotFound
from shared.personal import Export, PurposeMissing
from shared.problems import MEDIA_TYPE, refusals

router = APIRouter(prefix="/v1/volunteers", tags=["volunteers"])
_ASKED = ("volunteers", "events")
"""Who knows volunteers, the one first that says whether this may be; charity does not know them."""


class VolunteerNotFound(NotFound):
    """There is no such volunteer."""


class VolunteerIsErased(Gone):
    """This person's data was erased. What they did still counts."""


@router.post(
    "/{volunteer_id}/exports",
    response_class=Response,
    responses={
        200: {"content": {"application/zip": {}}, "description": "A folder per service, as JSON and CSV."},
        # The first two are the words of the service that knows the person.
        **refusals(VolunteerNotFound, VolunteerIsErased, PurposeMissing, ServiceUnavailable),
    },
    dependencies=[permits(Permission.EXPORT_PERSON)],
)
async def export_volunteer(volunteer_id: UUID, form: Export, request: Request, caller: Caller, now: Now) -> Response:
    """All that is known of a volunteer, and who has read it, as a ZIP: for themselves, or for a purpose."""
    form.require_purpose(own=caller.volunteer_id == volunteer_id)
    proxy: Proxy = request.app.state.proxy
    path, body = f"/v1/export-parts/volunteers/{volunteer_id}", form.model_dump_json().encode()
    parts: dict[str, Part] = {}
    for service in _ASKED:
        status, answer = await proxy.ask(service, caller, path, body)
        if status != HTTPStatus.OK:
            return Response(answer, status, media_type=MEDIA_TYPE)
        parts[service] = orjson.loads(answer)
    database: Database = request.app.state.database
    async with database.transaction(EVERYTHING) as tx:
        parts["gateway"] = await queries.to_export(tx, volunteer_id, seal=request.app.state.seal)
    return download(archive(parts, at=now), name=f"volunteer-{volunteer_id}")
