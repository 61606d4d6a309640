"""Whether the process lives, and whether it can recognize."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from zhiyin.access.http.deps import TheDoor

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live", summary="Is the process alive")
async def live() -> dict[str, str]:
    """200 as long as the event loop turns."""
    return {"status": "alive"}


@router.get("/ready", summary="Can the service recognize speech")
async def ready(door: TheDoor) -> JSONResponse:
    """200 once the default model is loaded and has recognized a test recording; else 503.

    `troubles` names what else is not there; recognition goes on without it.
    """
    troubles = door.service.troubles
    if door.service.ready:
        return JSONResponse({"status": "ready"} | ({"troubles": troubles} if troubles else {}))
    return JSONResponse({"status": "starting"}, 503, {"Retry-After": "2"})
