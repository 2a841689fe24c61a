"""The page: the built one where there is one, the plain one always."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Cookie, Header, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from services.gateway import plain
from services.gateway.states import States, Topic
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.errors import NotFound
from shared.languages import is_language, preferred

STATIC = Path(__file__).parent.parent / "static"
PAGES = Path(__file__).parent.parent / "pages"

router = APIRouter(include_in_schema=False, dependencies=[permits(Permission.READ_FIGURES)])


class FileNotThere(NotFound):
    """There is no such file."""


@router.get("/")
async def choose_language(
    request: Request,
    language: Annotated[str | None, Cookie()] = None,
    accept_language: Annotated[str, Header()] = "",
) -> Response:
    """To the page in the visitor's language, with the same scope and period."""
    query = f"?{request.url.query}" if request.url.query else ""
    address = f"/{preferred(accept_language, chosen=language)}/{query}"
    return RedirectResponse(address, headers={"Vary": "Accept-Language, Cookie", "Cache-Control": "no-store"})


@router.get("/{language}/")
async def show_page(request: Request, language: str) -> Response:
    """The dashboard; where it was not built, the plain page."""
    _require(language)
    built = STATIC / language / "index.html"
    if built.is_file():
        return FileResponse(built, headers={"Cache-Control": "no-cache"})
    return await show_plain_page(request, language)


@router.get("/plain/{language}/")
async def show_plain_page(request: Request, language: str) -> Response:
    """The same figures without a script: for old phones, slow lines, print."""
    _require(language)
    query = request.query_params
    topic = Topic.parse(query.get("scope"), query.get("from"), query.get("to"))
    states: States = request.app.state.states
    return plain.page((await states.get(topic)).body, language, request)


@router.get("/assets/{name}")
async def read_asset(name: str) -> Response:
    """A file of the built page; its name holds its hash, so it never changes."""
    return _file(STATIC / "assets" / name, "public, max-age=31536000, immutable")


@router.get("/pages/{name}")
async def read_own_file(name: str) -> Response:
    """A file of the pages that are made here, without a build."""
    return _file(PAGES / name, "public, max-age=3600")


@router.get("/favicon.svg")
async def read_icon() -> Response:
    return _file(STATIC / "favicon.svg", "public, max-age=86400")


def _require(language: str) -> None:
    if not is_language(language):
        raise FileNotThere


def _file(path: Path, caching: str) -> Response:
    # `name` holds no slash, but it may be `..`.
    if not path.is_file() or not {STATIC, PAGES} & set(path.resolve().parents):
        raise FileNotThere
    return FileResponse(path, headers={"Cache-Control": caching})
