"""A scheduler around the scripted engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np

from zhiyin.core.scheduling.batching import BatchPolicy
from zhiyin.core.scheduling.entries import SchedulerLimits
from zhiyin.core.scheduling.scheduler import Scheduler
from zhiyin.domain.engine import Clip, ClipResult
from zhiyin.domain.options import DecodeOptions
from zhiyin.engines.scripted import SLOT, ScriptedEngine

WAIT_S = 10.0


def clip(level: int, prompt: str = "") -> Clip:
    """A clip heard as `t<level>`."""
    options = DecodeOptions(language="en", prompt=prompt)
    return Clip(np.full(SLOT, level / 100, np.float32), options)


def text(future: Future[ClipResult]) -> str:
    """What was heard."""
    return " ".join(s.text for s in future.result(WAIT_S).segments)


@contextmanager
def running(engine: ScriptedEngine, **options: object) -> Iterator[Scheduler]:
    """A started scheduler."""
    limits = options.get("limits")
    policy = options.get("policy")
    assert limits is None or isinstance(limits, SchedulerLimits)
    assert policy is None or isinstance(policy, BatchPolicy)
    scheduler = Scheduler(lambda: engine, limits=limits, policy=policy)
    scheduler.start().result(WAIT_S)
    try:
        yield scheduler
    finally:
        if engine.gate is not None:
            engine.gate.set()
        scheduler.close()


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it never came true")
