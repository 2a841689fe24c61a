"""What machines and people read to use Asar: OpenAPI of all services in one, AsyncAPI of all messages."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from services.gateway import asyncapi, openapi
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
async def read_docs(request: Request) -> Response:
    return openapi.page(await openapi.collected(request.app))
