"""What machines and people read to use Asar: OpenAPI of all services in one, AsyncAPI of all messages."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from services.gateway import asyncapi, manual, openapi
from shared.access.doors import permits
from shared.access.permissions import Permission

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json", dependencies=[permits(Permission.READ_REFERENCE)])
async def read_openapi(request: Request) -> Response:
    return JSONResponse(await openapi.collected(request.app))


@router.get("/asyncapi.json", dependencies=[permits(Permission.READ_REFERENCE)])
async def read_asyncapi() -> Response:
    return JSONResponse(asyncapi.document())


@router.get("/docs", dependencies=[permits(Permission.READ_REFERENCE)])
async def read_manual(request: Request) -> Response:
    document = await openapi.collected(request.app)
    return HTMLResponse(
        manual.page(document, asyncapi.document(), organisation=request.app.state.organisation_name),
        headers={"Cache-Control": "no-cache"},
    )
