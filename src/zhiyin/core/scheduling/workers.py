"""A loaded engine with the threads that call it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from zhiyin.core.scheduling.admission import QueueEntry
from zhiyin.core.scheduling.batching import Capacity, Lane
from zhiyin.core.scheduling.streams import StreamClip
from zhiyin.domain.engine import Again, ClipResult
from zhiyin.domain.errors import AsrError, EngineFailed
from zhiyin.ports.engine import Engine

log = logging.getLogger(__name__)

ClipOutcome = ClipResult | Again | AsrError


@dataclass(eq=False, slots=True)
class EngineCall:
    """What one thread runs. `given_up` says that its entries were answered without it."""

    entries: list[QueueEntry]
    begun: float
    bulk: bool
    given_up: bool = False

    @property
    def final(self) -> bool:
        """Whether somebody who speaks live waits for it."""
        return any(e.waiting.lane is Lane.FINAL for e in self.entries)


class WorkSource(Protocol):
    """Where a crew gets work and brings results; the scheduler."""

    def loaded(self, workers: EngineWorkers) -> None:
        """The engine is ready and has recognized something."""
        ...

    def failed(self, workers: EngineWorkers, error: BaseException) -> None:
        """The engine could not be loaded, or one of its threads has died."""
        ...

    def take(self, workers: EngineWorkers) -> EngineCall | None:
        """The next call; None when the crew is to go home. Blocks."""
        ...

    def settle(self, workers: EngineWorkers, call: EngineCall, outcomes: list[ClipOutcome]) -> None:
        """A call is over."""
        ...


@dataclass(eq=False, slots=True)
class EngineWorkers:
    """One engine and its threads; a new crew takes over when this one is stuck or has died."""

    make: Callable[[], Engine]
    warm_up: Callable[[Engine], None]
    desk: WorkSource
    engine: Engine | None = None
    size: int = 1
    idle: int = 0
    calls: set[EngineCall] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)
    _left: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def capacity(self) -> Capacity:
        """For `pick_batch`: one thread is kept from bulk when there are several."""
        final = any(c.final for c in self.calls)
        if self.size == 1:
            return Capacity(self.idle, final=final)
        bulk = sum(c.bulk for c in self.calls)
        return Capacity(self.idle, max(0, self.size - 1 - bulk), spare=True, final=final)

    def start(self) -> None:
        """Load the engine on a thread of its own and begin to work."""
        self._spawn(self._begin)

    def join(self, timeout_s: float) -> None:
        """Wait for the threads to end."""
        share = timeout_s / max(1, len(self._threads))
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(share)

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="zhiyin-engine", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _begin(self) -> None:
        try:
            self.engine = self.make()
            self.engine.load()
            self.warm_up(self.engine)
            # One thread more than the engine has work for keeps short requests from waiting.
            calls = self.engine.concurrency
            self.size = calls + 1 if calls > 1 else 1
        except Exception as error:  # the engine thread: nothing above it could answer
            self.desk.failed(self, error)
            return
        self.desk.loaded(self)
        for _ in range(self.size - 1):
            self._spawn(self._work)
        self._work()

    def _work(self) -> None:
        assert self.engine is not None
        try:
            while (call := self.desk.take(self)) is not None:
                self.desk.settle(self, call, self._run(self.engine, call.entries))
        except BaseException as error:  # the engine thread: a dead one must be noticed
            self.desk.failed(self, error)
        with self._lock:
            self._left += 1
            last = self._left == self.size
        if last:
            self.engine.close()

    def _run(self, engine: Engine, entries: list[QueueEntry]) -> list[ClipOutcome]:
        clips = [e.clip for e in entries]
        try:
            if isinstance(clips[0], StreamClip):  # always alone
                return [clips[0].run(engine)]
            outcomes = engine.transcribe_batch(clips)
            if len(outcomes) != len(entries):
                raise EngineFailed("The engine gave a wrong number of results.")
            return outcomes
        except Exception as error:  # the engine thread: one bad clip must not end it
            if len(entries) > 1:
                return [o for e in entries for o in self._run(engine, [e])]
            _tell(entries[0], error)
            if isinstance(error, AsrError):
                return [error]
            return [EngineFailed("The engine failed on this recording.")]


def _tell(entry: QueueEntry, error: Exception) -> None:
    told = f"engine failed on a clip: {type(error).__name__}"
    entry.admission.context.copy().run(log.error, told, exc_info=error)
