"""The promises of the scheduler, with the scripted engine."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from contextlib import ExitStack

import pytest

from tests.support.schedulers import WAIT_S, clip, running, text, until
from zhiyin.core.scheduling.batching import BatchPolicy, Lane
from zhiyin.core.scheduling.entries import SchedulerLimits
from zhiyin.core.scheduling.scheduler import Scheduler
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import EngineFailed, Overloaded, Unavailable
from zhiyin.engines.scripted import ScriptedEngine


def test_results_reach_their_callers() -> None:
    with (
        running(ScriptedEngine(max_batch=4)) as s,
        s.admit(Caller(), Lane.ONE_SHOT, 1) as admission,
    ):
        futures = [admission.submit(clip(i)) for i in range(1, 20)]
        assert [text(f) for f in futures] == [f"t{i}" for i in range(1, 20)]


def test_one_bad_clip_fails_alone() -> None:
    engine = ScriptedEngine(max_batch=8, gate=threading.Event())
    with running(engine) as s, s.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
        futures = [admission.submit(clip(i, "fail" if i == 3 else "")) for i in range(1, 6)]
        assert engine.gate is not None
        engine.gate.set()
        for i, future in enumerate(futures, start=1):
            if i == 3:
                with pytest.raises(EngineFailed):
                    future.result(WAIT_S)
            else:
                assert text(future) == f"t{i}"


def test_a_crash_fails_its_clip_and_the_rest_go_on() -> None:
    with running(ScriptedEngine()) as s, s.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
        bad, good = admission.submit(clip(1, "crash")), admission.submit(clip(2))
        with pytest.raises(EngineFailed):
            bad.result(WAIT_S)
        assert text(good) == "t2"


def test_a_caller_that_left_never_reaches_the_engine() -> None:
    engine = ScriptedEngine(gate=threading.Event())
    with running(engine) as s:
        with s.admit(Caller(), Lane.ONE_SHOT, 1) as first:
            blocker = first.submit(clip(1))
            until(lambda: len(engine.calls) == 1)
            with s.admit(Caller(), Lane.ONE_SHOT, 1) as left:
                gone = left.submit(clip(2))
            after = first.submit(clip(3))
            assert engine.gate is not None
            engine.gate.set()
            assert (text(blocker), text(after)) == ("t1", "t3")
        with pytest.raises(CancelledError):
            gone.result(WAIT_S)
        seen = [round(float(c.samples[0]) * 100) for call in engine.calls for c in call]
        assert seen == [1, 3]


def test_urgent_lanes_go_first() -> None:
    engine = ScriptedEngine(gate=threading.Event())
    with running(engine) as s:
        admissions = [s.admit(Caller(), lane, 1) for lane in (Lane.JOB, Lane.ONE_SHOT, Lane.FINAL)]
        blocker = admissions[0].submit(clip(9))
        until(lambda: len(engine.calls) == 1)
        futures = [t.submit(clip(t.request.lane + 1)) for t in admissions]
        assert engine.gate is not None
        engine.gate.set()
        for future in (blocker, *futures):
            future.result(WAIT_S)
        seen = [round(float(c.samples[0]) * 100) for call in engine.calls for c in call]
        assert seen == [9, Lane.FINAL + 1, Lane.ONE_SHOT + 1, Lane.JOB + 1]


def test_a_partial_result_comes_after_the_final_that_is_being_made() -> None:
    engine = ScriptedEngine(concurrency=2, gate=threading.Event())
    with running(engine) as s, s.admit(Caller(), Lane.FINAL, 1) as admission:
        final = admission.submit(clip(1), Lane.FINAL)
        until(lambda: len(engine.calls) == 1)
        partial = admission.submit(clip(2), Lane.PARTIAL)
        other = admission.submit(clip(3), Lane.FINAL)
        until(lambda: len(engine.calls) == 2)
        assert engine.gate is not None
        engine.gate.set()
        assert (text(final), text(partial), text(other)) == ("t1", "t2", "t3")
        seen = [round(float(c.samples[0]) * 100) for call in engine.calls for c in call]
        assert seen == [1, 3, 2]


def test_a_short_request_does_not_wait_for_all_of_a_long_one() -> None:
    engine = ScriptedEngine(gate=threading.Event())
    with running(engine) as s, s.admit(Caller(), Lane.ONE_SHOT, 600) as long:
        pieces = [long.submit(clip(i)) for i in range(1, 9)]
        until(lambda: len(engine.calls) == 1)
        with s.admit(Caller(), Lane.ONE_SHOT, 1) as short:
            quick = short.submit(clip(50))
            assert engine.gate is not None
            engine.gate.set()
            assert text(quick) == "t50"
            for piece in pieces:
                piece.result(WAIT_S)
        seen = [round(float(c.samples[0]) * 100) for call in engine.calls for c in call]
        assert seen.index(50) <= 2


def test_the_queue_is_bounded_and_says_when_to_come_back() -> None:
    limits = SchedulerLimits(max_requests=2)
    with running(ScriptedEngine(), limits=limits) as s:
        with s.admit(Caller(), Lane.ONE_SHOT, 1), s.admit(Caller(), Lane.ONE_SHOT, 1):
            with pytest.raises(Overloaded) as refused:
                s.admit(Caller(), Lane.ONE_SHOT, 1)
            assert 1 <= (refused.value.retry_after_s or 0) <= 120
        with s.admit(Caller(), Lane.ONE_SHOT, 1):
            pass


def test_backlog_seconds_bound_admission_but_one_request_always_fits() -> None:
    limits = SchedulerLimits(max_requests=99, max_backlog_s=10)
    with (
        running(ScriptedEngine(), limits=limits) as s,
        s.admit(Caller(), Lane.ONE_SHOT, 100_000),
        pytest.raises(Overloaded),
    ):
        s.admit(Caller(), Lane.ONE_SHOT, 100_000)


def test_a_long_recording_keeps_no_short_one_out() -> None:
    limits = SchedulerLimits(max_requests=99, max_backlog_s=10)
    with ExitStack() as stack:
        s = stack.enter_context(running(ScriptedEngine(), limits=limits))
        stack.enter_context(s.admit(Caller(), Lane.ONE_SHOT, 100_000))
        short_s = s.cost.request(1)
        while (s.queue.admitted + 1) * short_s <= 10:
            stack.enter_context(s.admit(Caller(), Lane.ONE_SHOT, 1))
        with pytest.raises(Overloaded):
            s.admit(Caller(), Lane.ONE_SHOT, 1)


def test_shutdown_fails_what_waits_and_refuses_new() -> None:
    engine = ScriptedEngine(gate=threading.Event())
    with running(engine) as s:
        admission = s.admit(Caller(), Lane.ONE_SHOT, 1)
        running_now = admission.submit(clip(1))
        until(lambda: len(engine.calls) == 1)
        waiting = admission.submit(clip(2))
        assert engine.gate is not None
        closing = threading.Thread(target=s.close)
        closing.start()
        with pytest.raises(Unavailable):
            waiting.result(WAIT_S)
        engine.gate.set()
        closing.join(WAIT_S)
        assert text(running_now) == "t1"
        with pytest.raises(Unavailable):
            s.admit(Caller(), Lane.ONE_SHOT, 1)
        assert not engine.loaded


def test_an_engine_that_cannot_load_says_why() -> None:
    class Broken(ScriptedEngine):
        def load(self) -> None:
            raise MemoryError

    scheduler = Scheduler(Broken)
    with pytest.raises(EngineFailed):
        scheduler.start().result(WAIT_S)
    assert scheduler.state == "failed"


def test_no_batch_mixes_options() -> None:
    engine = ScriptedEngine(max_batch=8, gate=threading.Event())
    with running(engine, policy=BatchPolicy(max_batch=8, max_cost_s=99)) as s:
        with s.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
            futures = [admission.submit(clip(i, prompt="ab"[i % 2])) for i in range(1, 13)]
            assert engine.gate is not None
            engine.gate.set()
            for i, future in enumerate(futures, start=1):
                assert text(future) == f"{'ab'[i % 2]} t{i}"
        assert all(len({c.options for c in call}) == 1 for call in engine.calls)
