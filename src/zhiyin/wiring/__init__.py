"""Composition root: builds the service. The only package that names concrete classes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.isolation.processes import DecoderProcesses
from zhiyin.config import Settings
from zhiyin.core.captions.rooms import Rooms
from zhiyin.core.erasure import Erasure
from zhiyin.core.history.erasure import OwnedHistory
from zhiyin.core.history.retention import Sweeper
from zhiyin.core.history.writer import HistoryWriter, HistoryWriterPolicy
from zhiyin.core.jobs.erasure import OwnedJobs, OwnedRecordings
from zhiyin.core.jobs.runtime import JobRuntime
from zhiyin.core.live.service import LiveService
from zhiyin.core.recognition.result_cache import ResultCache
from zhiyin.core.recognition.service import RecognitionService
from zhiyin.core.recognition.transcriber import Transcriber
from zhiyin.core.scheduling.registry import Registry
from zhiyin.core.tasks import cancel_all
from zhiyin.domain.errors import AsrError
from zhiyin.ops.edition import edition
from zhiyin.ops.observer_memory import MemoryObserver
from zhiyin.ports.cipher import Cipher
from zhiyin.ports.decoder import Decoder
from zhiyin.ports.erasure import Erasable
from zhiyin.ports.history import Archive, History
from zhiyin.store.history_off import NoHistory
from zhiyin.wiring.captions import make_rooms
from zhiyin.wiring.engines import make_registry
from zhiyin.wiring.history import (
    has_history,
    key_ring,
    make_history,
    make_sweeper,
    token_cipher,
)
from zhiyin.wiring.jobs import make_job_runtime
from zhiyin.wiring.live import make_live
from zhiyin.wiring.recognition import make_cache, make_preparer, make_processes
from zhiyin.wiring.text import make_text_steps

log = logging.getLogger(__name__)

_OPENING = 8
"""Recordings that are opened at the same moment."""


@dataclass(slots=True)
class Services:
    """The finished service; an async context manager that loads and frees the models."""

    settings: Settings
    registry: Registry
    transcriber: Transcriber
    live: LiveService
    rooms: Rooms
    decoder: Decoder
    job_runtime: JobRuntime | None
    recognition: RecognitionService
    history: History
    history_writer: HistoryWriter
    sweeper: Sweeper
    results: ResultCache | None
    erasure: Erasure
    observer: MemoryObserver
    token_cipher: Cipher
    _archive: Archive | None
    _pools: tuple[ThreadPoolExecutor, ...]
    _processes: DecoderProcesses | None
    _loading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start loading the default model, writing the history, and caption rooms and jobs."""
        if self._processes is not None:
            self._processes.prepare()
        self.rooms.start()
        self.history_writer.start()
        self.sweeper.start()
        self._loading = asyncio.create_task(self._load_default())
        if self.job_runtime is not None:
            self.job_runtime.start()

    @property
    def jobs(self) -> JobRuntime:
        """Jobs, in a process that was built with them."""
        assert self.job_runtime is not None, "built without jobs"
        return self.job_runtime

    @property
    def degraded(self) -> dict[str, str]:
        """Parts that are unavailable while recognition goes on, with the reason."""
        return (
            {"history": self.history_writer.degraded_reason}
            if self.history_writer.degraded_reason
            else {}
        )

    @property
    def ready(self) -> bool:
        """Whether the default model is loaded and has recognized something."""
        try:
            model = self.registry.resolve("")
        except AsrError:
            return False
        return self.registry.state(model.id) == "ready"

    async def close(self) -> None:
        """Stop everything but running batches; running jobs are released."""
        if self.job_runtime is not None:
            await self.job_runtime.close()
        if self._loading is not None:
            await cancel_all([self._loading])
        await self.live.close()
        await self.rooms.close()
        await self.registry.close()
        if self.results is not None:
            await self.results.close()
        await self.sweeper.close()
        await self.history_writer.close()
        if self._archive is not None:
            await self._archive.close()
        for pool in self._pools:
            pool.shutdown(wait=False)
        if self._processes is not None:
            self._processes.close()

    async def __aenter__(self) -> Services:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _load_default(self) -> None:
        try:
            await self.registry.scheduler(self.registry.resolve(""))
        except AsrError as error:
            log.error("the default model could not be loaded: %s", error.message)


def build(
    settings: Settings,
    workers: int | None = None,
    *,
    persist: bool = True,
    isolate: bool = True,
    on_stuck: Callable[[], None] = lambda: None,
) -> Services:
    """Everything for these settings; no model is loaded yet. Raises ConfigError, MissingExtra.

    `workers` is the number of concurrent jobs in this process; None is a process without jobs.
    Without `persist` there is no history and no cache, whatever the settings say. Without `isolate`
    recordings are decoded in this process: for the user's own files. `on_stuck` is called when only
    a new process can recognize speech again.
    """
    pool = ThreadPoolExecutor(settings.audio.workers, thread_name_prefix="zhiyin-audio")
    live_pool = ThreadPoolExecutor(settings.live.workers, thread_name_prefix="zhiyin-live")
    processes = make_processes(settings) if isolate else None
    # They wait for other processes.
    opening = ThreadPoolExecutor(_OPENING, thread_name_prefix="zhiyin-open") if processes else None
    decoder = AvDecoder()
    observer = MemoryObserver()
    registry = make_registry(settings, decoder, observer, on_stuck)
    preparer = make_preparer(settings, pool, processes, opening)
    ring = key_ring(settings)
    cache = make_cache(settings, ring) if persist else None
    steps = make_text_steps(settings)
    made_by = f"{edition()} {preparer.edition} {steps.edition}"
    results = None if cache is None else ResultCache(cache, made_by, observer)
    transcriber = Transcriber(registry, preparer, results, steps=steps)
    stored = make_history(settings, ring) if persist and has_history(settings) else None
    history = (stored if settings.history.enabled else None) or NoHistory()
    policy = HistoryWriterPolicy(waiting=settings.history.max_waiting)
    writer = HistoryWriter(history, policy, observer)
    live = make_live(
        settings, registry, preparer.vad, live_pool, writer, steps, observer, processes
    )
    rooms = make_rooms(settings, ring)
    jobs = None
    if workers is not None:
        jobs = make_job_runtime(settings, ring, transcriber, writer, workers, observer)
    erasables = _erasables(writer, stored or history, jobs, rooms, results)
    return Services(
        settings, registry, transcriber, live, rooms, decoder, jobs,
        RecognitionService(transcriber, writer), history, writer,
        make_sweeper(settings, history, observer), results, Erasure(erasables), observer,
        token_cipher(ring), stored, (pool, live_pool, *([opening] if opening else [])), processes,
    )  # fmt: skip


def _erasables(
    history_writer: HistoryWriter,
    history: History,
    job_runtime: JobRuntime | None,
    rooms: Rooms,
    results: ResultCache | None,
) -> list[Erasable]:
    """All stores of an owner's data; recordings come first, as they are found by the jobs."""
    erasables: list[Erasable] = [OwnedHistory(history_writer, history)]
    if job_runtime is not None:
        erasables += [OwnedRecordings(job_runtime.service), OwnedJobs(job_runtime.service)]
    return [*erasables, rooms, *([] if results is None else [results])]
