"""The address of the native protocol."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from starlette.websockets import WebSocket

from zhiyin.access.http.deps import Service
from zhiyin.access.ws.stream.door import serve
from zhiyin.access.ws.stream.held import Held

router = APIRouter()


def install(app: FastAPI, service: Service, *, idle_s: float, grace_s: float, kib: int) -> None:
    """Add the address; see `config.LiveSettings` for the limits."""
    app.state.stream = (Held(service, grace_s), idle_s, kib << 10)
    app.include_router(router)


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Speech in, events out, while it is spoken."""
    shared, idle_s, max_bytes = websocket.app.state.stream
    await websocket.accept()
    await serve(websocket, shared, idle_s=idle_s, max_bytes=max_bytes)
