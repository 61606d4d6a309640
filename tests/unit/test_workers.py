"""Several engine threads, second passes, and engines that die or hang."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np
import pytest

from tests.support.clock import Clock
from tests.support.schedulers import WAIT_S, clip, running, text, until
from zhiyin.core.scheduling.batching import BatchPolicy, Lane
from zhiyin.core.scheduling.entries import AdmittedRequest, SchedulerLimits, retry_after
from zhiyin.core.scheduling.scheduler import Scheduler
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import Clip, ClipResult
from zhiyin.domain.errors import DeadlineExceeded, EngineFailed, Unavailable
from zhiyin.domain.options import DecodeOptions
from zhiyin.engines.scripted import SLOT, ScriptedEngine


class Factory:
    """Makes engines and keeps them; the first may differ."""

    def __init__(self, first: ScriptedEngine) -> None:
        self.made: list[ScriptedEngine] = []
        self._first = first

    def __call__(self) -> ScriptedEngine:
        self.made.append(ScriptedEngine() if self.made else self._first)
        return self.made[-1]


def test_a_second_pass_gives_the_result() -> None:
    engine = ScriptedEngine(max_batch=4)
    with running(engine) as s, s.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
        futures = [admission.submit(clip(i, "again")) for i in (1, 2)]
        assert [text(f) for f in futures] == ["again t1", "again t2"]
    assert {c.carry for call in engine.calls for c in call} == {None, "second pass"}
    assert all(len({c.carry for c in call}) == 1 for call in engine.calls), "passes never mix"


def test_a_caller_that_left_gets_no_second_pass() -> None:
    engine = ScriptedEngine(gate=threading.Event())
    with running(engine) as s:
        with s.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
            admission.submit(clip(1, "again"))
            until(lambda: len(engine.calls) == 1)
        assert engine.gate is not None
        engine.gate.set()
        with s.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
            assert text(admission.submit(clip(2))) == "t2"
        until(lambda: s.queue.waiting == 0)
    assert len(engine.calls) == 2


def test_long_recordings_leave_one_thread_free() -> None:
    engine = ScriptedEngine(concurrency=2, gate=threading.Event())
    assert engine.gate is not None
    with running(engine) as s, s.admit(Caller(), Lane.ONE_SHOT, 3600) as long:
        pieces = [long.submit(clip(i)) for i in range(1, 9)]
        until(lambda: len(engine.calls) == 2)
        with s.admit(Caller(), Lane.ONE_SHOT, 1) as short:
            quick = short.submit(clip(50))
            until(lambda: len(engine.calls) == 3)
            seen = [round(float(c.samples[0]) * 100) for call in engine.calls for c in call]
            assert seen[2] == 50, "the short one runs while the long one holds all it may"
            engine.gate.set()
            assert text(quick) == "t50"
        assert [text(p) for p in pieces] == [f"t{i}" for i in range(1, 9)]


def test_a_recording_of_unknown_length_shows_that_it_is_long() -> None:
    engine = ScriptedEngine(concurrency=2)
    with running(engine) as s, s.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
        assert not admission.request.bulk
        for i in range(1, 30):
            admission.submit(clip(i)).result(WAIT_S)
        admission.request.spent_s = BatchPolicy().bulk_s
        admission.submit(clip(30)).result(WAIT_S)
        assert admission.request.bulk


def test_idle_threads_share_what_waits() -> None:
    engine = ScriptedEngine(max_batch=8, concurrency=2, gate=threading.Event())
    assert engine.gate is not None
    with running(engine) as s, s.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
        until(lambda: s._workers.consumer.idle == 3)
        futures = [admission.submit(clip(i)) for i in range(1, 4)]
        until(lambda: len(engine.calls) == 3)
        engine.gate.set()
        assert [text(f) for f in futures] == ["t1", "t2", "t3"]


def test_a_dead_thread_is_noticed_and_the_engine_started_anew() -> None:
    make = Factory(ScriptedEngine())
    with _started(make) as s, s.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
        with pytest.raises(EngineFailed):
            admission.submit(clip(1, "die")).result(WAIT_S)
        until(lambda: s.state == "ready")
        assert text(admission.submit(clip(2))) == "t2"
    assert len(make.made) == 2
    until(lambda: not make.made[0].loaded)  # freed by its own thread, beside the new engine


def test_a_stuck_engine_is_unready_and_replaced() -> None:
    clock, make = Clock(), Factory(ScriptedEngine(gate=threading.Event()))
    with _started(make, clock) as s, s.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
        stuck = admission.submit(clip(1))
        until(lambda: len(make.made[0].calls) == 1)
        waiting = admission.submit(clip(2))
        clock.now = 119.0
        s.inspect()
        assert s.state == "ready", "not yet"
        clock.now = 121.0
        s.inspect()
        with pytest.raises(EngineFailed):
            stuck.result(WAIT_S)
        assert text(waiting) == "t2", "what waited is done by the new engine"
        gate = make.made[0].gate
        assert gate is not None
        gate.set()  # the old thread comes back, finds itself replaced, and goes
        until(lambda: not make.made[0].loaded)
        assert s.state == "ready"


def test_an_engine_that_keeps_dying_is_given_up() -> None:
    limits = SchedulerLimits(max_restarts=2)
    with (
        _started(ScriptedEngine, limits=limits) as s,
        s.admit(Caller(), Lane.ONE_SHOT, 1) as admission,
    ):
        futures: list[Future[ClipResult]] = []
        for _ in range(3):
            until(lambda: s.state == "ready")
            futures.append(admission.submit(clip(1, "die")))
            with pytest.raises(EngineFailed):
                futures[-1].result(WAIT_S)
        until(lambda: s.state == "failed")
        with pytest.raises(Unavailable):
            admission.submit(clip(2))


@pytest.mark.parametrize("prompt", ["", "die"])
def test_only_threads_that_hang_for_good_end_the_process(prompt: str) -> None:
    clock, ended = Clock(), threading.Event()
    gate = threading.Event()
    limits = SchedulerLimits(max_restarts=1)

    def make() -> ScriptedEngine:
        return ScriptedEngine(gate=None if prompt else gate)

    with (
        _started(make, clock, limits, ended.set) as s,
        s.admit(Caller(), Lane.ONE_SHOT, 1) as admission,
    ):
        for _ in range(2):
            until(lambda: s.state == "ready")
            assert not ended.is_set()
            failing = admission.submit(clip(1, prompt))
            until(lambda: s.queue.waiting == 0)
            clock.now += 121.0
            s.inspect()
            with pytest.raises(EngineFailed):
                failing.result(WAIT_S)
        until(lambda: s.state == "failed")
        assert ended.is_set() == (not prompt)
        gate.set()


def test_what_waits_past_its_deadline_is_not_run() -> None:
    clock, engine = Clock(), ScriptedEngine(gate=threading.Event())
    assert engine.gate is not None
    with _started(lambda: engine, clock) as s:
        with (
            s.admit(Caller(), Lane.ONE_SHOT, 1) as first,
            s.admit(Caller(), Lane.ONE_SHOT, 1, 5.0) as second,
        ):
            blocker = first.submit(clip(1))
            until(lambda: len(engine.calls) == 1)
            late = second.submit(clip(2))
            clock.now = 6.0
            engine.gate.set()
            assert text(blocker) == "t1"
            with pytest.raises(DeadlineExceeded):
                late.result(WAIT_S)
        assert len(engine.calls) == 1


def test_one_request_of_many_clips_equals_many_of_one() -> None:
    engine = ScriptedEngine(max_batch=5, concurrency=3)
    clips = [_ramp(i) for i in range(1, 40)]
    with running(engine) as s:
        with s.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
            together = [text(f) for f in [admission.submit(c) for c in clips]]
        alone: list[str] = []
        for one in clips:
            with s.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
                alone.append(text(admission.submit(one)))
    assert together == alone


def test_retry_after_follows_the_predicted_work() -> None:
    limits = SchedulerLimits(max_requests=4, max_backlog_s=100)
    requests = [AdmittedRequest(Caller(), Lane.ONE_SHOT, backlog, None) for backlog in (10, 20, 70)]
    assert retry_after(requests, 80, limits, threads=1) == 80, "the excess must be done"
    assert retry_after(requests, 80, limits, threads=2) == 40
    assert retry_after(requests, 40, limits, threads=1) == 10, "40 of the 70 are in its way"
    full = [*requests, AdmittedRequest(Caller(), Lane.ONE_SHOT, 5, None)]
    assert retry_after(full, 0, limits, threads=1) == 20, "the smallest of four goes first"
    assert retry_after(requests, 0, limits, threads=1) == 1
    assert retry_after(requests, 9999, limits, threads=1) == 120


def _ramp(i: int) -> Clip:
    levels = np.repeat(np.arange(i, i + 5) / 100, SLOT)
    return Clip(levels.astype(np.float32), DecodeOptions(language="en"))


@contextmanager
def _started(
    make: Callable[[], ScriptedEngine],
    clock: Clock | None = None,
    limits: SchedulerLimits | None = None,
    on_stuck: Callable[[], None] = lambda: None,
) -> Iterator[Scheduler]:
    scheduler = Scheduler(make, limits=limits, clock=clock or Clock(), on_stuck=on_stuck)
    scheduler.start().result(WAIT_S)
    try:
        yield scheduler
    finally:
        scheduler.close()
