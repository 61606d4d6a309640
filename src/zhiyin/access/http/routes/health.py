"""Health checks: liveness, readiness, jobs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from zhiyin.access.context import Context

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live", summary="Is the process alive")
async def live() -> dict[str, str]:
    """200 as long as the event loop turns."""
    return {"status": "alive"}


@router.get("/ready", summary="Can the service recognize speech")
async def ready(context: Context) -> JSONResponse:
    """200 once the default model is loaded and has recognized a test recording; else 503.

    `"captions": "local"` when rooms can't be shared with other servers at the moment; `troubles`
    names what else is not there. Recognition goes on without it.
    """
    service = context.service
    if service.ready:
        body: dict[str, Any] = {"status": "ready"}
        body |= {"captions": "local"} if service.rooms.away else {}
        body |= {"troubles": service.degraded} if service.degraded else {}
        return JSONResponse(body)
    return JSONResponse({"status": "starting"}, 503, {"Retry-After": "2"})


@router.get("/jobs", summary="How jobs are")
async def jobs(context: Context) -> JSONResponse:
    """200 while the records and the queue of jobs answer, else 503; recognition needs neither."""
    health = await context.service.jobs.health()
    body = {"status": "ready" if health.well else "away"} | asdict(health)
    body["chores"] = body.pop("counts")
    return JSONResponse(body, 200 if health.well else 503)
