"""Web pages, caption view and static files."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from zhiyin.domain.captions import is_room

WEB = Path(__file__).parents[2] / "web"
HEADERS = {"Cache-Control": "no-cache"}

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def index() -> FileResponse:
    """The page."""
    return FileResponse(WEB / "transcribe" / "page.html", headers=HEADERS)


@router.api_route("/history", methods=["GET", "HEAD"])
async def history() -> FileResponse:
    """The page of kept transcripts."""
    return FileResponse(WEB / "history" / "page.html", headers=HEADERS)


@router.api_route("/captions/{room}", methods=["GET", "HEAD"])
async def captions(room: str) -> FileResponse:
    """The captions of a room; the page itself says when there can be no room of that name."""
    status = 200 if is_room(room) else 404
    return FileResponse(WEB / "captions" / "page.html", status_code=status, headers=HEADERS)


@router.get("/favicon.ico")
async def favicon() -> FileResponse:
    """The icon at the path that browsers request by default."""
    return FileResponse(WEB / "shared" / "favicon.svg", headers=HEADERS)


class PageFiles(StaticFiles):
    """Static files, checked for changes at each use."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Starlette's answer with the pages' headers."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def install(app: FastAPI) -> None:
    """Add the page at `/` and its files at `/static`."""
    app.include_router(router)
    app.mount("/static", PageFiles(directory=WEB), name="static")
