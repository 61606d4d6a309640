"""A hand-written client of `/v1/realtime` for the real server."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from tests.support import media
from tests.support.server import Server

PCM = media.Form("s16le", "pcm_s16le", 24_000)
Json = dict[str, Any]
COMPLETED = "conversation.item.input_audio_transcription.completed"


def sound(*names: str, form: media.Form = PCM) -> bytes:
    """The recordings with a second and a half of silence after each, as raw samples."""
    quiet = np.zeros(media.RATE * 3 // 2, np.float32)
    parts = [part for name in names for part in (media.samples(name), quiet)]
    return media.encode(np.concatenate(parts), form)


class Wire:
    """A client that knows nothing."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def append(self, data: bytes, **fields: Any) -> None:
        audio = base64.b64encode(data).decode()
        await self.send("input_audio_buffer.append", audio=audio, **fields)

    async def next(self) -> Json:
        async with asyncio.timeout(120):
            event: Json = json.loads(await self.socket.recv())
        return event

    async def until(self, kind: str) -> list[Json]:
        wire = [await self.next()]
        while wire[-1]["type"] != kind:
            wire.append(await self.next())
        return wire


@asynccontextmanager
async def opened(
    server: Server, query: str = "intent=transcription", **more: Any
) -> AsyncIterator[Wire]:
    url = f"{server.url.replace('http', 'ws')}/v1/realtime?{query}"
    async with connect(url, max_size=None, **more) as socket:
        yield Wire(socket)
