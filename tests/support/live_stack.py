"""A live service around the scripted engine: real threads, a clock that stands until it is moved.

What is said at loudness k/100 is heard as words `t<k>`; the detector is `LoudnessVad`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from tests.support import media
from tests.support.clock import Clock
from tests.support.scripted_engine import LoudnessVad, Provider
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.core.live.live_session import LiveLimits, LiveSession
from zhiyin.core.live.service import LiveService
from zhiyin.core.live.session import SessionPolicy
from zhiyin.core.scheduling.registry import Registry, RegistryPolicy
from zhiyin.core.scheduling.scheduler import Scheduler
from zhiyin.core.text_steps import TextSteps
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import Clip
from zhiyin.domain.live import AudioFormat, LiveDefaults, LiveEvent, LiveOptions
from zhiyin.domain.options import DecodeOptions
from zhiyin.engines.scripted import ScriptedEngine
from zhiyin.ops.observer_memory import MemoryObserver
from zhiyin.ports.engine import Engine
from zhiyin.ports.sound import LiveDecoder

E = TypeVar("E", bound=LiveEvent)
ENGLISH = DecodeOptions(language="en")
STEP_S = 0.256
"""Seconds that `write` hands to the decoder at once: 16 KiB."""


def said(level: int, seconds: float = 1.0) -> media.Samples:
    return np.full(round(seconds * media.RATE), level / 100, np.float32)


def silence(seconds: float = 1.0) -> media.Samples:
    return np.zeros(round(seconds * media.RATE), np.float32)


async def write(session: LiveSession, sound: media.Samples) -> None:
    """As a client of `House.open` sends it."""
    await session.write(sound.astype("<f4").tobytes())


@dataclass
class LiveStack:
    """A live service with all that is under it."""

    engine: ScriptedEngine = field(default_factory=ScriptedEngine)
    limits: LiveLimits = field(default_factory=LiveLimits)
    steps: TextSteps = field(default_factory=TextSteps)
    defaults: LiveDefaults = field(default_factory=LiveDefaults)
    decoder: LiveDecoder = field(default_factory=AvLiveDecoder)
    observer: MemoryObserver = field(default_factory=MemoryObserver)
    policy: SessionPolicy = field(default_factory=SessionPolicy)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.schedulers: list[Scheduler] = []
        self.pool = ThreadPoolExecutor(2)
        policy = RegistryPolicy("script", {}, max_loaded=1)
        self.registry = Registry([Provider(self.engine)], policy, self._schedule)
        self.service = LiveService(
            self.registry, self.decoder, LoudnessVad(), self.pool, self.limits, self.policy,
            clock=self.clock, defaults=self.defaults, steps=self.steps, observer=self.observer,
        )  # fmt: skip

    def _schedule(self, make: Callable[[], Engine]) -> Scheduler:
        self.schedulers.append(Scheduler(make, observer=self.observer))
        return self.schedulers[-1]

    async def open(self, **options: object) -> LiveSession:
        chosen = {"decode": ENGLISH} | options
        made = LiveOptions(**chosen)  # type: ignore[arg-type]
        return await self.service.open(made, AudioFormat("f32le", media.RATE), Caller())

    @property
    def admissions(self) -> int:
        return sum(s.queue.admitted for s in self.schedulers)

    def finals(self) -> list[Clip]:
        """Those that the engine was given."""
        return [c for call in self.engine.calls for c in call if not c.draft]

    async def close(self) -> None:
        if self.engine.gate is not None:
            self.engine.gate.set()
        await self.service.close()
        await self.registry.close()
        self.pool.shutdown()


@asynccontextmanager
async def live_stack(
    engine: ScriptedEngine | None = None, steps: TextSteps | None = None, **limits: float
) -> AsyncIterator[LiveStack]:
    bounds = LiveLimits(**limits)  # type: ignore[arg-type]
    built = LiveStack(engine or ScriptedEngine(), bounds, steps or TextSteps())
    try:
        yield built
    finally:
        await built.close()


@dataclass
class Reader:
    """Reads all events of a session."""

    session: LiveSession
    events: list[LiveEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.session.events():
            self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        return [e for e in self.events if isinstance(e, kind)]


def gated() -> tuple[ScriptedEngine, threading.Event]:
    gate = threading.Event()
    return ScriptedEngine(gate=gate), gate


def idle(session: LiveSession) -> bool:
    return not session._tasks
