"""A streamed event on its way from the engine to the client: few hops, and all end with it."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import AsyncGeneratorType
from typing import Any

from starlette.types import Message

import zhiyin
from tests.support.scripted_engine import options, recording, service
from zhiyin.access.http import render, sse
from zhiyin.access.json_types import Json
from zhiyin.core.history.writer import HistoryWriter, HistoryWriterPolicy
from zhiyin.core.recognition.result_cache import CachePolicy, ResultCache
from zhiyin.core.recognition.service import RecognitionService
from zhiyin.core.recognition.transcriber import Transcriber
from zhiyin.core.scheduling.scheduler import Scheduler
from zhiyin.domain.caller import Caller
from zhiyin.domain.events import Event
from zhiyin.engines.scripted import ScriptedEngine
from zhiyin.store.cache_memory import MemoryCache
from zhiyin.store.history_off import NoHistory

SOUND = ([30] * 100 + [0] * 30) * 3  # three clips
MOST_GENERATORS = 5  # four today: shared run, its reader, the cache, the deadline


@dataclass
class Client:
    """The server's side of a connection: what was sent, and when the client leaves."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        lines = message.get("body", b"").decode().splitlines()
        self.sent += [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def generators() -> set[int]:
    """Async generators of zhiyin that are under way, whatever task runs them."""
    home = zhiyin.__path__[0]
    return {
        id(o)
        for o in gc.get_objects()
        if isinstance(o, AsyncGeneratorType)
        and o.ag_frame is not None
        and o.ag_code.co_filename.startswith(home)
    }


async def scheduler(transcriber: Transcriber) -> Scheduler:
    return await transcriber.registry.scheduler(transcriber.registry.resolve(""))


@asynccontextmanager
async def streaming(
    transcriber: Transcriber, engine: ScriptedEngine, client: Client
) -> AsyncIterator[asyncio.Task[None]]:
    """A request for events of a recording that is not cached; the engine waits at its gate."""
    writer = HistoryWriter(NoHistory(), HistoryWriterPolicy())
    recall = CachePolicy()
    events = RecognitionService(transcriber, writer).stream(
        recording(SOUND), options(), Caller(), timeout_s=60.0, recall=recall
    )

    def to_wire(event: Event) -> Json | None:
        return render.recognition_event(event, "req")

    async def close() -> None:
        client.gone.set()

    response = sse.EventStream(await sse.first(events), events, to_wire, close)
    assert recall.outcome == "miss"
    answering = asyncio.create_task(response({}, client.receive, client.send))
    async with asyncio.timeout(30):
        while not (engine.calls and client.sent):  # noqa: ASYNC110 - the engine knows no loop
            await asyncio.sleep(0.005)
    try:
        yield answering
    finally:
        assert engine.gate is not None
        engine.gate.set()
        await answering


def gated() -> ScriptedEngine:
    return ScriptedEngine(gate=threading.Event())


def cached() -> ResultCache:
    return ResultCache(MemoryCache(1 << 20, 60, 1 << 20), "e")


async def test_few_generators_lie_between_the_engine_and_a_streamed_event() -> None:
    engine, client = gated(), Client()
    async with service(engine, results=cached()) as transcriber:
        await scheduler(transcriber)
        gc.collect()
        before = generators()
        async with streaming(transcriber, engine, client):
            under_way = generators() - before
            assert 1 <= len(under_way) <= MOST_GENERATORS
    assert [e["type"] for e in client.sent][-1] == "done"


async def test_a_client_that_leaves_ends_all_of_them_and_frees_the_queue() -> None:
    engine, client = gated(), Client()
    async with service(engine, results=cached()) as transcriber:
        queue = (await scheduler(transcriber)).queue
        gc.collect()
        before = generators()
        async with streaming(transcriber, engine, client) as answering:
            assert queue.admitted == 1
            client.gone.set()
            await answering
            assert not generators() - before
            assert queue.admitted == 0
    assert len(engine.calls) == 1
    assert "done" not in {e["type"] for e in client.sent}
