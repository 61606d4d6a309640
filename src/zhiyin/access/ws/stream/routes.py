"""The address of the native protocol."""

from __future__ import annotations

import logging
from contextlib import suppress

from fastapi import APIRouter, FastAPI
from starlette.websockets import WebSocket

from zhiyin.access.http.deps import Service, owner
from zhiyin.access.ws.ahead import Ahead
from zhiyin.access.ws.errors import INTERNAL
from zhiyin.access.ws.stream import render
from zhiyin.access.ws.stream.door import Connection
from zhiyin.access.ws.stream.shelf import Shelf
from zhiyin.access.ws.wire import GONE, Wire

log = logging.getLogger(__name__)
router = APIRouter()


def install(app: FastAPI, service: Service, *, idle_s: float, grace_s: float, kib: int) -> None:
    """Add the address; see `config.LiveSettings` for the limits."""
    app.state.stream = (Shelf(service, grace_s), idle_s, kib << 10)
    app.include_router(router)


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Speech in, events out, while it is spoken."""
    shelf, idle_s, max_bytes = websocket.app.state.stream
    await websocket.accept()
    try:
        async with Ahead(websocket) as ahead:
            wire = Wire(websocket, ahead.receive, render.error, idle_s=idle_s, max_bytes=max_bytes)
            await Connection(wire, shelf, owner(websocket)).run()
    except Exception:
        log.exception("a live session broke")
        with suppress(*GONE):
            await websocket.close(INTERNAL)
