"""The whole service but for the model, in this process: real sockets around the scripted engine."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support import media
from tests.support.live_stack import LiveStack
from tests.support.scripted_engine import LoudnessVad
from zhiyin.access.app import create_app
from zhiyin.access.context import AccessLimits
from zhiyin.access.http.connection import ConnectionLimits, limited
from zhiyin.access.http.origins import Sites
from zhiyin.access.ws.native.sessions import SessionTable
from zhiyin.access.ws.protocol import BoundedProtocol, uvicorn_options
from zhiyin.access.ws.realtime.client import MAX_MESSAGE_BYTES
from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.core.captions.room import RoomLimits
from zhiyin.core.captions.rooms import Rooms
from zhiyin.core.erasure import Erasure
from zhiyin.core.history.writer import HistoryWriter, HistoryWriterPolicy
from zhiyin.core.jobs.runtime import JobRuntime
from zhiyin.core.live.live_session import LiveLimits
from zhiyin.core.live.service import LiveService
from zhiyin.core.live.session import SessionPolicy
from zhiyin.core.recognition.prepare import Preparer
from zhiyin.core.recognition.service import RecognitionService
from zhiyin.core.recognition.transcriber import Transcriber
from zhiyin.core.scheduling.registry import Registry
from zhiyin.core.segmentation.cutting import CutPolicy
from zhiyin.domain.audio import AudioLimits
from zhiyin.domain.live import LiveDefaults
from zhiyin.engines.scripted import ScriptedEngine
from zhiyin.ops.observer_memory import MemoryObserver
from zhiyin.ports.sound import LiveDecoder
from zhiyin.store.captions_memory import MemoryCaptions
from zhiyin.store.cipher_aesgcm import AesCipher, generate, parse_keys
from zhiyin.store.history_off import NoHistory

Json = dict[str, Any]


@dataclass
class AppServer:
    """What the app is given, and the app's address once it runs."""

    stack: LiveStack
    url: str = ""
    server: uvicorn.Server | None = None
    app: FastAPI = field(default_factory=FastAPI)
    ready: bool = True
    history: NoHistory = field(default_factory=NoHistory)
    token_cipher: AesCipher = field(default_factory=lambda: AesCipher(parse_keys(generate())))
    rooms: Rooms = field(default_factory=lambda: Rooms(MemoryCaptions(), RoomLimits()))

    @property
    def registry(self) -> Registry:
        return self.stack.registry

    @property
    def observer(self) -> MemoryObserver:
        return self.stack.observer

    @property
    def live(self) -> LiveService:
        return self.stack.service

    @property
    def jobs(self) -> JobRuntime:
        raise AssertionError("there are no jobs here")

    @property
    def erasure(self) -> Erasure:
        return Erasure(())

    @property
    def degraded(self) -> dict[str, str]:
        return {}

    @property
    def recognition(self) -> RecognitionService:
        limits, pool = AudioLimits(60), self.stack.pool
        preparer = Preparer(AvDecoder(), LoudnessVad(), limits, CutPolicy(), pool)
        history_writer = HistoryWriter(self.history, HistoryWriterPolicy())
        return RecognitionService(Transcriber(self.stack.registry, preparer), history_writer)

    @property
    def session_table(self) -> SessionTable:
        """The sessions of `/v1/stream`."""
        held: SessionTable = self.app.state.sessions
        return held

    @property
    def connections(self) -> list[BoundedProtocol]:
        """The open WebSockets."""
        assert self.server is not None
        held = self.server.server_state.connections
        return [c for c in held if isinstance(c, BoundedProtocol)]

    def start(self) -> None:
        """The model is loaded when it is asked for."""

    async def close(self) -> None:
        await self.stack.close()

    async def call(self, path: str = "/v1/stream", **more: Any) -> Client:
        """A client that nobody closes."""
        options = {"max_size": None, "compression": None} | more
        return Client(await connect(self.url + path, **options))

    @asynccontextmanager
    async def dial(self, path: str = "/v1/stream", **more: Any) -> AsyncIterator[Client]:
        client = await self.call(path, **more)
        try:
            yield client
        finally:
            await client.socket.close()

    @asynccontextmanager
    async def begun(self, **start: Any) -> AsyncIterator[Client]:
        """A client of `/v1/stream` whose session has started."""
        async with self.dial() as client:
            await client.tell("start", **({"language": "en", "partials": False} | start))
            client.ready = await client.hear()
            assert client.ready["type"] == "ready", client.ready
            yield client

    async def talk(self, sound: media.Samples, **start: Any) -> list[Json]:
        """Everything that is told about a recording."""
        async with self.begun(**start) as client:
            await client.say(s16le(sound))
            await client.tell("eof")
            return (await client.rest())[0]


@dataclass
class Client:
    """A client by hand."""

    socket: ClientConnection
    ready: Json = field(default_factory=dict)

    async def tell(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def say(self, data: bytes, size: int = 3200) -> None:
        for at in range(0, len(data), size):
            await self.socket.send(data[at : at + size])

    async def hear(self) -> Json:
        async with asyncio.timeout(60):
            event: Json = json.loads(await self.socket.recv())
            return event

    async def until(self, kind: str) -> list[Json]:
        """All events up to the first of that kind."""
        events = [await self.hear()]
        while events[-1]["type"] != kind:
            events.append(await self.hear())
        return events

    async def rest(self) -> tuple[list[Json], int | None]:
        """All events until the server closes, and its code."""
        events: list[Json] = []
        try:
            while True:
                events.append(await self.hear())
        except ConnectionClosed:
            return events, self.socket.close_code

    def cut(self) -> None:
        """The connection breaks."""
        self.socket.transport.abort()


@asynccontextmanager
async def app_server(
    engine: ScriptedEngine | None = None,
    *,
    idle_s: float = 30.0,
    grace_s: float = 30.0,
    kib: int = 1024,
    max_idle_s: float = 3600.0,
    defaults: LiveDefaults | None = None,
    decoder: LiveDecoder | None = None,
    policy: SessionPolicy | None = None,
    sites: Sites | None = None,
    connections: ConnectionLimits | None = None,
    uploads: int = 8,
    body_idle_s: float = 30.0,
    body_bytes_s: float = 1024.0,
    arriving: int = 8 << 30,
    **limits: Any,
) -> AsyncIterator[AppServer]:
    """A running service."""
    stack = LiveStack(
        engine or ScriptedEngine(), LiveLimits(**limits), defaults=defaults or LiveDefaults(),
        decoder=decoder or AvLiveDecoder(), policy=policy or SessionPolicy(),
    )  # fmt: skip
    made = AppServer(stack)
    bounds = AccessLimits(
        1 << 20, uploads, 60.0, idle_s, grace_s, kib, max_idle_s=max_idle_s,
        body_idle_s=body_idle_s, body_bytes_s=body_bytes_s, max_arriving_bytes=arriving,
    )  # fmt: skip
    made.app = create_app(made, bounds, sites)
    listener = socket.create_server(("127.0.0.1", 0))
    made.url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        made.app, log_config=None, access_log=False, **uvicorn_options(MAX_MESSAGE_BYTES),
        http=limited(connections or ConnectionLimits()),
    )  # fmt: skip
    server = made.server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve(sockets=[listener]))
    try:
        yield made
    finally:
        server.should_exit = True
        await serving


def s16le(sound: media.Samples) -> bytes:
    """As the simplest clients send it."""
    return (np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes()


def of(events: Iterable[Json], kind: str) -> list[Json]:
    return [e for e in events if e["type"] == kind]


def heard(events: Iterable[Json]) -> list[str]:
    """The words of all finals."""
    return " ".join(e["text"] for e in of(events, "final")).split()


def numbered(events: Iterable[Json]) -> list[int]:
    return [e["event"] for e in events if "event" in e]
