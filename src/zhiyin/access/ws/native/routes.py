"""The address of the native protocol."""

from __future__ import annotations

import logging
from contextlib import suppress

from fastapi import APIRouter, FastAPI
from starlette.websockets import WebSocket

from zhiyin.access.context import AccessLimits, Service, app_context, make_caller
from zhiyin.access.ws.errors import INTERNAL, error_event
from zhiyin.access.ws.native.connection import Connection
from zhiyin.access.ws.native.sessions import SessionTable
from zhiyin.access.ws.read_ahead import ReadAhead
from zhiyin.access.ws.transport import GONE, Transport

log = logging.getLogger(__name__)
router = APIRouter()


def install(app: FastAPI, service: Service, limits: AccessLimits) -> None:
    """Add the address."""
    app.state.sessions = SessionTable(service, limits.grace_s)
    app.include_router(router)


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Speech in, events out, while it is spoken."""
    caller = make_caller(websocket).at("stream")
    limits = app_context(websocket).limits
    sessions: SessionTable = websocket.app.state.sessions
    await websocket.accept()
    try:
        async with ReadAhead(websocket) as ahead:
            transport = Transport(
                websocket, ahead.receive, error_event, idle_s=limits.idle_s,
                max_bytes=limits.max_message_kb << 10,
            )  # fmt: skip
            await Connection(transport, sessions, caller).run()
    except Exception:
        log.exception("a live session broke")
        with suppress(*GONE):
            await websocket.close(INTERNAL)
