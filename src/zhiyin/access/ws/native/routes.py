"""The route of the native protocol, `/v1/stream`."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from starlette.websockets import WebSocket

from zhiyin.access.context import AccessLimits, Service, app_context, make_caller
from zhiyin.access.ws.native.connection import serve
from zhiyin.access.ws.native.sessions import SessionTable
from zhiyin.access.ws.transport import serving

router = APIRouter()


def install(app: FastAPI, service: Service, limits: AccessLimits) -> None:
    """Add the route."""
    app.state.sessions = SessionTable(service.live, limits.grace_s)
    app.include_router(router)


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Speech in, events out, while it is spoken."""
    caller = make_caller(websocket).at("stream")
    limits = app_context(websocket).limits
    sessions: SessionTable = websocket.app.state.sessions
    await websocket.accept()
    async with serving(
        websocket, idle_s=limits.idle_s, max_idle_s=limits.max_idle_s,
        max_bytes=limits.max_message_kb << 10,
    ) as transport:  # fmt: skip
        await serve(transport, sessions, caller)
