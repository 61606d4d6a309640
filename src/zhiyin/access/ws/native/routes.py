"""The address of the native protocol."""

from __future__ import annotations

import logging
from contextlib import suppress

from fastapi import APIRouter, FastAPI
from starlette.websockets import WebSocket

from zhiyin.access.context import Service, owner
from zhiyin.access.ws.errors import INTERNAL, error_event
from zhiyin.access.ws.native.connection import Connection
from zhiyin.access.ws.native.sessions import SessionTable
from zhiyin.access.ws.read_ahead import ReadAhead
from zhiyin.access.ws.transport import GONE, Transport

log = logging.getLogger(__name__)
router = APIRouter()


def install(app: FastAPI, service: Service, *, idle_s: float, grace_s: float, kib: int) -> None:
    """Add the address; see `config.LiveSettings` for the limits."""
    app.state.stream = (SessionTable(service, grace_s), idle_s, kib << 10)
    app.include_router(router)


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Speech in, events out, while it is spoken."""
    session_table, idle_s, max_bytes = websocket.app.state.stream
    await websocket.accept()
    try:
        async with ReadAhead(websocket) as ahead:
            wire = Transport(
                websocket, ahead.receive, error_event, idle_s=idle_s, max_bytes=max_bytes
            )
            await Connection(wire, session_table, owner(websocket)).run()
    except Exception:
        log.exception("a live session broke")
        with suppress(*GONE):
            await websocket.close(INTERNAL)
