"""Where a model runs: device, number format, and how the processor's threads are shared out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from zhiyin.domain.engine import EngineContext
from zhiyin.domain.errors import MissingExtra
from zhiyin.engines.whisper.backend import Backend

_SMALL_BYTES = 600 << 20  # larger models are not held twice in memory
# A decoder step is some hundred parallel regions of microseconds. With the defaults of GNU OpenMP
# threads sleep between them: 20 tokens of Whisper base, beam 5, took 200 ms on two threads and 80
# with these (bench.threads). What the operator has set stays.
_THREADS = {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "100000"}


@dataclass(frozen=True, slots=True)
class Placement:
    """A model in memory: `many` for `concurrency` calls at once, `alone` for a single one."""

    many: Backend
    alone: Backend
    concurrency: int = 1

    def close(self) -> None:
        """Free the memory."""
        self.many.close()
        if self.alone is not self.many:
            self.alone.close()


def place(folder: Path, context: EngineContext) -> Placement:
    """Load a model for this machine. Raises EngineFailed or MissingExtra."""
    for name, value in _THREADS.items():
        os.environ.setdefault(name, value)  # read when CTranslate2 is first imported
    # The mel filters are a small matrix; threads of the linear algebra library that wait for more
    # of it take the cores from the encoder (9 s of audio: 117 ms with them, 65 without).
    threadpool_limits(limits=1, user_api="blas")
    device, kind = _device(context)
    total = context.threads or _cores()

    def load(threads: int, workers: int) -> Backend:
        return Backend(folder, device, kind, threads=threads, workers=workers)

    large = (folder / "model.bin").stat().st_size > _SMALL_BYTES
    replicas = min(context.replicas, total) or (1 if device != "cpu" or large else 0)
    if replicas == 1 or total == 1:
        one = load(total, 1)
        return Placement(one, one)
    alone = load(total, 1)
    if not replicas and _trial_s(load(1, 1)) > total * _trial_s(alone):
        return Placement(alone, alone)
    replicas = replicas or total
    # One worker more than there is work for; see `core.crew`.
    with _low_priority():
        many = load(total // replicas, replicas + 1)
    return Placement(many, alone, replicas)


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
    """Seconds for a window of 12 s and 12 tokens of it, the better of two.

    One call on all threads and one on each are compared by it, because what is quicker depends on
    the processor and on the size of the model.
    """
    features = np.zeros((1, backend.mels, 1200), np.float32)
    times: list[float] = []
    for _ in range(2):
        begun = time.perf_counter()
        backend.spell(backend.encode(features), 12)
        times.append(time.perf_counter() - begun)
    return min(times)
