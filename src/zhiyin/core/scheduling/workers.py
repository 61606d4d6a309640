"""A loaded engine with the threads that call it: they take from a queue and settle the results."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from zhiyin.core.scheduling.entries import ClipOutcome, Consumer, NextPass, QueueEntry
from zhiyin.core.scheduling.queue import Queue
from zhiyin.core.scheduling.streams import StreamClip
from zhiyin.domain.engine import Again, Clip, ClipResult, Plan
from zhiyin.domain.errors import AsrError, EngineFailed
from zhiyin.ports.engine import Engine

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class EngineWorkers:
    """One engine and its threads; when it is stuck or has died, new workers take over.

    Its threads call `on_loaded` once the engine has recognized something, and `on_failed` when it
    could not be loaded or a thread has died.
    """

    make: Callable[[], Engine]
    warm_up: Callable[[Engine], None]
    queue: Queue
    on_loaded: Callable[[EngineWorkers], None]
    on_failed: Callable[[EngineWorkers, BaseException], None]
    engine: Engine | None = None
    consumer: Consumer = field(default_factory=Consumer)
    _threads: list[threading.Thread] = field(default_factory=list)
    _left: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def in_call(self) -> bool:
        """Whether a thread of them is in an engine call."""
        return bool(self.consumer.calls) and any(t.is_alive() for t in self._threads)

    def start(self) -> None:
        """Load the engine on a thread of its own and begin to work."""
        self._spawn(self._begin)

    def join(self, timeout_s: float) -> None:
        """Wait for the threads to end."""
        share = timeout_s / max(1, len(self._threads))
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(share)

    def plan(self, clip: Clip) -> Plan:
        """The engine's plan; a stream's clip runs alone."""
        assert self.engine is not None
        if isinstance(clip, StreamClip):
            return Plan(clip.seconds, clip.stream)
        return self.engine.plan(clip)

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name="zhiyin-engine", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _begin(self) -> None:
        try:
            self.engine = engine = self.make()
            engine.load()
            self.warm_up(engine)
            # One thread more than the engine has work for keeps short requests from waiting.
            calls = engine.concurrency
            self.consumer.size = calls + 1 if calls > 1 else 1
            self.consumer.max_batch = engine.capabilities.max_batch
        except Exception as error:  # the engine thread: nothing above it could answer
            self.on_failed(self, error)
            return
        self.on_loaded(self)
        for _ in range(self.consumer.size - 1):
            self._spawn(self._work)
        self._work()

    def _work(self) -> None:
        assert self.engine is not None
        try:
            while (call := self.queue.take(self.consumer)) is not None:
                outcomes = self._run(self.engine, call.entries)
                self.queue.settle(self.consumer, call, outcomes)
        except BaseException as error:  # the engine thread: a dead one must be noticed
            self.on_failed(self, error)
        with self._lock:
            self._left += 1
            last = self._left == self.consumer.size
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
        except Exception as error:  # the engine thread: one bad clip must not end it
            if len(entries) > 1:
                return [o for e in entries for o in self._run(engine, [e])]
            _log_failure(entries[0], error)
            if isinstance(error, AsrError):
                return [error]
            return [EngineFailed("The engine failed on this recording.")]
        return [self._planned(outcome) for outcome in outcomes]

    def _planned(self, outcome: ClipResult | Again | AsrError) -> ClipOutcome:
        if isinstance(outcome, Again):
            return NextPass(outcome.clip, self.plan(outcome.clip))
        return outcome


def _log_failure(entry: QueueEntry, error: Exception) -> None:
    message = f"engine failed on a clip: {type(error).__name__}"
    entry.request.context.copy().run(log.error, message, exc_info=error)
