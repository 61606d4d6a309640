"""A client of `/v1/stream` for the real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from tests.support import media
from tests.support.server import Server

Wire = list[dict[str, Any]]
S16 = media.Form("s16le", "pcm_s16le", 16_000)


@asynccontextmanager
async def opened(server: Server, **start: Any) -> AsyncIterator[tuple[ClientConnection, Any]]:
    """A connection with its session started, and what `ready` said."""
    async with connect(address(server), max_size=None) as socket:
        await socket.send(json.dumps({"type": "start", **start}))
        ready = json.loads(await socket.recv())
        assert ready["type"] == "ready", ready
        yield socket, ready


def address(server: Server) -> str:
    return server.url.replace("http:", "ws:") + "/v1/stream"


async def hear(socket: ClientConnection, until: str = "done") -> Wire:
    """The events up to one of that type."""
    wire: Wire = []
    async with asyncio.timeout(120):
        while not wire or wire[-1]["type"] != until:
            wire.append(json.loads(await socket.recv()))
    return wire


async def say(socket: ClientConnection, data: bytes, size: int = 3200) -> None:
    for at in range(0, len(data), size):
        await socket.send(data[at : at + size])


def texts(wire: Wire) -> str:
    return " ".join(e["text"] for e in wire if e["type"] == "final")


def check(wire: Wire) -> None:
    """Stable text only grows, into the final; one final per segment; events are numbered."""
    stable: dict[int, str] = {}
    for event in wire:
        if event["type"] in ("partial", "final"):
            now = event["stable"] if event["type"] == "partial" else event["text"]
            assert now.startswith(stable.get(event["segment_id"], ""))
            stable[event["segment_id"]] = now
    finals = [e["segment_id"] for e in wire if e["type"] == "final"]
    assert finals == [e["segment_id"] for e in wire if e["type"] == "speech_started"]
    numbers = [e["event"] for e in wire if "event" in e]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def spoken(name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    quiet = np.zeros(media.RATE, np.float32)
    return np.concatenate([quiet, media.samples(name), quiet])
