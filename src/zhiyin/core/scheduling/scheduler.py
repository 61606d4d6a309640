"""The life cycle of one engine behind its queue: load, watchdog, restart, shutdown.

Arrows go one way: `Scheduler -> EngineWorkers -> Queue -> pick_batch`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Literal

from zhiyin.core.scheduling.admission import Admission
from zhiyin.core.scheduling.batching import BatchPolicy, Lane
from zhiyin.core.scheduling.cost import CostModel
from zhiyin.core.scheduling.entries import QueueEntry, SchedulerLimits
from zhiyin.core.scheduling.queue import STOPPING, Queue
from zhiyin.core.scheduling.workers import EngineWorkers
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import AsrError, EngineFailed, Unavailable
from zhiyin.ports.engine import Engine
from zhiyin.ports.observer import UNOBSERVED, EngineEvent, Observer

log = logging.getLogger(__name__)

State = Literal["new", "loading", "ready", "restarting", "failed", "closed"]
WarmUp = Callable[[Engine, Callable[[], float]], list[tuple[float, float]]]
"""Recognizes something with a new engine; gives (computed seconds, engine seconds) of calls."""

_LOST = "The recognition engine had to be restarted during this request. Try again."


class Scheduler:
    """Runs one engine. `start` once, `close` once; everything else from any thread.

    `make` gives a new engine, at the start and whenever the old one is stuck or dead. `on_stuck`
    is called when the engine has failed for good while threads of it are still in a call: they
    keep their processors and their copy of the model as long as the process lives.
    """

    def __init__(
        self,
        make: Callable[[], Engine],
        *,
        limits: SchedulerLimits | None = None,
        policy: BatchPolicy | None = None,
        warm_up: WarmUp | None = None,
        clock: Callable[[], float] = time.monotonic,
        observer: Observer = UNOBSERVED,
        on_stuck: Callable[[], None] = lambda: None,
    ) -> None:
        self._make = make
        self._limits = limits or SchedulerLimits()
        self._warm_up = warm_up
        self._clock = clock
        self.queue = Queue(self._limits, policy or BatchPolicy(), clock, observer)
        self._observer = observer
        self._lock = threading.Lock()  # taken before the queue's, never after
        self._state: State = "new"
        self._loaded: Future[None] = Future()
        self._workers = self._new_workers()
        self._restarts = 0
        self._on_stuck = on_stuck
        self._given_up: list[EngineWorkers] = []
        self._started = clock()
        self._stop = threading.Event()
        self._watchdog = threading.Thread(target=self._watch, name="zhiyin-watchdog", daemon=True)

    @property
    def state(self) -> State:
        """Where the engine is in its life."""
        return self._state

    @property
    def version(self) -> str:
        """What the engine's texts come from; empty while there is no engine. See `ports.engine`."""
        engine = self._workers.engine
        return "" if engine is None else engine.version

    @property
    def cost(self) -> CostModel:
        """What was learned of the engine's speed."""
        return self.queue.cost

    @property
    def busy(self) -> bool:
        """Whether any request is admitted."""
        return bool(self.queue.admitted)

    @property
    def last_used(self) -> float:
        """When a request was admitted or released last, on the clock."""
        return self.queue.last_used

    def start(self) -> Future[None]:
        """Load the engine on its own thread; the future ends when it is ready or has failed."""
        self._state = "loading"
        self._start(self._workers)
        self._watchdog.start()
        return self._loaded

    def admit(
        self, caller: Caller, lane: Lane, audio_s: float, timeout_s: float | None = None
    ) -> Admission:
        """Admit a request of about that many seconds of audio; Overloaded when the queue is full.

        Live sessions and jobs are always admitted; `core.live` and the number of job workers
        bound them. Clips that still wait after `timeout_s` seconds fail with DeadlineExceeded.
        """
        threads = max(1, self._workers.consumer.size - 1)
        request = self.queue.admit(caller, lane, audio_s, timeout_s, threads)
        return Admission(self.queue, request)

    def close(self, timeout_s: float = 10.0) -> None:
        """Refuse new work, fail what waits, let the running calls end, free the engine."""
        with self._lock:
            self._stop.set()
            workers = self._workers
            waiting = self.queue.close()
        for entry in waiting:
            entry.fail(Unavailable(STOPPING))
        workers.join(timeout_s)
        self._state = "closed"

    def inspect(self) -> None:
        """Restart the engine when one of its calls has lasted too long."""
        workers = self._workers
        if self.queue.is_stuck(workers.consumer, self._limits.stuck_s):
            log.error("the engine is stuck; it is started anew")
            self._given_up.append(workers)
            self._restart(workers)

    def _on_loaded(self, workers: EngineWorkers) -> None:
        with self._lock:
            if workers is self._workers and not self._stop.is_set():
                self.queue.open(workers.plan)
                self._state = "ready"
                self._observe("loaded")
        if not self._loaded.done():
            if self._stop.is_set():
                self._loaded.set_exception(Unavailable(STOPPING))
            else:
                self._loaded.set_result(None)

    def _on_failed(self, workers: EngineWorkers, error: BaseException) -> None:
        expected = isinstance(error, AsrError)  # its message says it all
        log.error(
            "the engine failed: %s",
            error if expected else type(error).__name__,
            exc_info=None if expected else error,
        )
        if self._loaded.done():
            self._restart(workers)
            return
        self._state = "failed"
        self._observe("failed")
        wrapped = error if isinstance(error, AsrError) else EngineFailed("The engine can't load.")
        if wrapped is not error:
            wrapped.__cause__ = error
        self._loaded.set_exception(wrapped)

    def _new_workers(self) -> EngineWorkers:
        return EngineWorkers(self._make, self._prove, self.queue, self._on_loaded, self._on_failed)

    def _prove(self, engine: Engine) -> None:
        if self._warm_up is not None:
            self.cost.seed(self._warm_up(engine, self._clock))

    def _restart(self, workers: EngineWorkers) -> None:
        """Give the workers up and fail what they run; new ones take over, unless it is hopeless."""
        with self._lock:
            if workers is not self._workers or self._stop.is_set():
                return
            self._restarts = 1 if workers.consumer.answered else self._restarts + 1
            hopeless = self._restarts > self._limits.max_restarts
            self._workers = self._new_workers()
            lost = self.queue.retire(workers.consumer)
            if hopeless:
                lost += self.queue.refuse()
            self._state = "failed" if hopeless else "restarting"
        _fail_lost(lost)
        self._observe("failed" if hopeless else "restarted")
        if not hopeless:
            self._start(self._workers)
        elif any(w.in_call for w in self._given_up):
            self._on_stuck()

    def _start(self, workers: EngineWorkers) -> None:
        self._started = self._clock()
        workers.start()

    def _observe(self, event: EngineEvent) -> None:
        self._observer.engine(event, self._clock() - self._started)

    def _watch(self) -> None:
        while not self._stop.wait(self._limits.stuck_s / 4):
            self.inspect()


def _fail_lost(entries: Iterable[QueueEntry]) -> None:
    for entry in entries:
        entry.fail(EngineFailed(_LOST))
