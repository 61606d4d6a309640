"""What an observer sees of the engine's queue; its table in the documents."""

from __future__ import annotations

import inspect
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import pytest

from tests.support.clock import Clock
from tests.support.schedulers import WAIT_S, clip, text, until
from zhiyin.core.scheduling.batching import BatchPolicy, Lane
from zhiyin.core.scheduling.entries import SchedulerLimits
from zhiyin.core.scheduling.scheduler import Scheduler
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import EngineFailed
from zhiyin.engines.scripted import ScriptedEngine
from zhiyin.ops.observer_memory import MemoryObserver
from zhiyin.ports.observer import CountName, Observer

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
MOST_METHODS = 7


def methods() -> dict[str, list[str]]:
    """Those of the port, with the names of their arguments."""
    found = inspect.getmembers(Observer, inspect.isfunction)
    public = {name: method for name, method in found if not name.startswith("_")}
    return {name: [*inspect.signature(m).parameters][1:] for name, m in public.items()}


def rows() -> list[list[str]]:
    """The table of docs/operations.md: name, when, arguments."""
    part = OPERATIONS.read_text("utf-8").partition("## What is observed")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_port_is_small_and_the_table_names_all_of_it() -> None:
    assert len(methods()) <= MOST_METHODS
    documented: dict[str, list[str]] = {}
    for name, _, arguments in rows():
        outside = re.sub(r"\([^)]*\)", "", arguments.partition("Of:")[0])
        documented[name.strip("`")] = re.findall(r"`(\w+)`", outside)
    assert documented == methods()


def test_the_table_names_every_counter() -> None:
    (row,) = [row for row in rows() if row[0] == "`count`"]
    assert re.findall(r"`([a-z]+\.[a-z_]+)`", row[2]) == [*get_args(CountName)]


def test_batches_waits_and_depths_are_observed() -> None:
    clock, observer = Clock(), MemoryObserver()
    engine = ScriptedEngine(max_batch=4, gate=threading.Event())
    policy = BatchPolicy(max_batch=4, max_cost_s=99)
    scheduler = Scheduler(lambda: engine, policy=policy, clock=clock, observer=observer)
    scheduler.start().result(WAIT_S)
    assert engine.gate is not None
    with scheduler.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
        first = admission.submit(clip(1))
        until(lambda: len(engine.calls) == 1)
        others = [admission.submit(clip(i)) for i in (2, 3, 4)]
        assert observer.observed().lanes["one_shot"].waiting == 3
        clock.now = 2.0
        engine.gate.set()
        assert [text(f) for f in (first, *others)] == ["t1", "t2", "t3", "t4"]
    scheduler.close()
    lane = observer.observed().lanes["one_shot"]
    assert (lane.waiting, lane.taken, lane.batches, lane.clips) == (0, 4, 2, 4)
    assert (lane.waited_s, lane.longest_wait_s, lane.engine_s) == (6.0, 2.0, 2.0)
    assert lane.audio_s == pytest.approx(0.4)


def test_what_is_dropped_waits_no_more() -> None:
    observer, engine = MemoryObserver(), ScriptedEngine(gate=threading.Event())
    scheduler = Scheduler(lambda: engine, observer=observer)
    scheduler.start().result(WAIT_S)
    assert engine.gate is not None
    with scheduler.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
        admission.submit(clip(1))
        until(lambda: len(engine.calls) == 1)
        with scheduler.admit(Caller(), Lane.JOB, 1) as left:
            left.submit(clip(2))
        engine.gate.set()
        until(lambda: observer.observed().lanes["job"].waiting == 0)
    scheduler.close()
    assert observer.observed().lanes["job"].taken == 0


def test_the_life_of_an_engine_is_observed() -> None:
    observer, limits = MemoryObserver(), SchedulerLimits(max_restarts=1)
    scheduler = Scheduler(ScriptedEngine, limits=limits, observer=observer)
    scheduler.start().result(WAIT_S)
    with scheduler.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
        for _ in range(2):
            until(lambda: scheduler.state == "ready")
            with pytest.raises(EngineFailed):
                admission.submit(clip(1, "die")).result(WAIT_S)
        until(lambda: scheduler.state == "failed")
    until(lambda: observer.observed().engine.get("failed") == 1)
    scheduler.close()
    assert observer.observed().engine == {"loaded": 2, "restarted": 1, "failed": 1}


def test_many_threads_lose_no_count() -> None:
    observer = MemoryObserver()

    def work() -> None:
        for _ in range(500):
            observer.count("cache.hits")
            observer.queued("final", 1)
            observer.error("/recognize", "overloaded")

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work) for _ in range(8)]:
            done.result()
    seen = observer.observed()
    assert observer.totals("cache")["hits"] == seen.lanes["final"].waiting == 4000
    assert seen.errors == {("/recognize", "overloaded"): 4000}


def test_totals_name_all_counters_of_an_area() -> None:
    observer = MemoryObserver()
    observer.count("sweep.removed", 3)
    assert observer.totals("sweep") == {"runs": 0, "removed": 3, "failures": 0}
