"""Where a model runs: device, number format, and how the processor's threads are shared out."""

from __future__ import annotations

import ctypes
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from zhiyin.domain.engine import EngineContext
from zhiyin.domain.errors import EngineFailed, MissingExtra
from zhiyin.engines.whisper.backend import Backend

log = logging.getLogger(__name__)

_SMALL_BYTES = 600 << 20  # larger models are not held twice in memory
_OFTEN = 8  # calls in company until the second copy is loaded
# A decoder step is some hundred parallel regions of microseconds. With the defaults of GNU OpenMP
# threads sleep between them: 20 tokens of Whisper base, beam 5, took 200 ms on two threads and 80
# with these (bench.threads). What the operator has set stays.
_THREADS = {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "100000"}
# Each thread of the GNU C library keeps what it frees for itself; with one arena for all
# (M_ARENA_MAX in malloc.h) they share it. Giving every large buffer back (M_MMAP_THRESHOLD) saves
# more memory, but was 1.4 times slower: all its pages are mapped anew.
_M_ARENA_MAX = -8


class Placement:
    """A model in memory, once or twice: for a call alone, and for `concurrency` calls at once.

    The second copy is loaded when calls have come together for a while: recognizing one
    file after another needs no more memory than one copy takes.
    """

    def __init__(
        self, alone: Backend, concurrency: int = 1, widen: Callable[[], Backend] | None = None
    ) -> None:
        self.alone = alone
        self.concurrency = concurrency
        self._many: Backend | None = None
        self._widen = widen
        self._wanted = 0
        self._loading: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def many(self) -> Backend:
        """For calls that come together; the same as `alone` until the copy is loaded."""
        with self._lock:
            self._wanted += 1
            if self._widen is not None and self._wanted == _OFTEN:
                self._loading = threading.Thread(target=self._load, name="zhiyin-load", daemon=True)
                self._loading.start()
            return self._many or self.alone

    def wait(self) -> None:
        """Until a copy that is being loaded is there."""
        if self._loading is not None:
            self._loading.join()

    def close(self) -> None:
        """Free the memory."""
        self.wait()
        self.alone.close()
        if self._many is not None:
            self._many.close()

    def _load(self) -> None:
        assert self._widen is not None
        try:
            many = self._widen()
        except EngineFailed:  # out of memory, say: it goes on with one copy
            log.warning("no memory for a second copy of the model; calls share one")
            return
        with self._lock:
            self._many = many


def place(folder: Path, context: EngineContext) -> Placement:
    """Load a model for this machine. Raises EngineFailed or MissingExtra."""
    device, kind = _device(context)
    total = context.threads or _cores()

    def load(threads: int, workers: int) -> Backend:
        return Backend(folder, device, kind, threads=threads, workers=workers)

    large = (folder / "model.bin").stat().st_size > _SMALL_BYTES
    replicas = min(context.replicas, total) or (1 if device != "cpu" or large else 0)
    if replicas == 1 or total == 1:
        return Placement(load(total, 1))
    # The narrow one goes before the wide one comes, for the sake of the peak of memory.
    narrow_s = 0.0 if replicas else _tried(load(1, 1))
    _of_c("malloc_trim", 0)
    alone = load(total, 1)
    if narrow_s > total * _trial_s(alone):
        return Placement(alone)
    replicas = replicas or total

    def widen() -> Backend:
        with _low_priority():
            # One worker more than there is work for; see `core.scheduling.workers`.
            return load(total // replicas, replicas + 1)

    return Placement(alone, replicas, widen)


def settle_process() -> None:
    """What holds for the whole process; before its threads start and CTranslate2 is imported."""
    for name, value in _THREADS.items():
        os.environ.setdefault(name, value)
    # The mel filters are a small matrix; threads of the linear algebra library that wait for more
    # of it take the cores from the encoder (9 s of audio: 117 ms with them, 65 without).
    threadpool_limits(limits=1, user_api="blas")
    if not any(name.startswith("MALLOC_") for name in os.environ):
        _of_c("mallopt", _M_ARENA_MAX, 1)


def _of_c(function: str, *arguments: int) -> None:
    """Call what only the GNU C library has, where it is."""
    with suppress(AttributeError, OSError, TypeError):
        getattr(ctypes.CDLL(None), function)(*arguments)


@contextmanager
def _low_priority() -> Iterator[None]:
    """Threads that are started meanwhile yield to others of the process (Linux; nice 10).

    So the event loop, the audio threads and a call that has all threads go first.
    """
    before = _own_threads()
    yield
    for thread in _own_threads() - before:
        with suppress(OSError):  # it may have ended
            os.setpriority(os.PRIO_PROCESS, thread, 10)


def _own_threads() -> set[int]:
    tasks = Path("/proc/self/task")
    return {int(task.name) for task in tasks.iterdir()} if tasks.is_dir() else set()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _device(context: EngineContext) -> tuple[str, str]:
    """Device and number format."""
    try:
        import ctranslate2
    except ImportError as error:
        raise MissingExtra(
            "The Whisper engine needs faster-whisper: pip install faster-whisper"
        ) from error
    device = context.device
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    kind = context.compute_type
    if kind == "auto":
        kind = "float16" if device == "cuda" else "int8"
    return device, kind


def _trial_s(backend: Backend) -> float:
    """Seconds for a window of 6 s and 8 tokens of it, the better of two.

    One call on all threads and one on each are compared by it, because what is quicker depends on
    the processor and on the size of the model.
    """
    features = np.zeros((1, backend.mels, 600), np.float32)
    times: list[float] = []
    for _ in range(2):
        begun = time.perf_counter()
        backend.spell(backend.encode(features), 8)
        times.append(time.perf_counter() - begun)
    return min(times)


def _tried(backend: Backend) -> float:
    """The same for one that is not kept."""
    seconds = _trial_s(backend)
    backend.close()
    return seconds
