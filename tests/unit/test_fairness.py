"""Shares of the engine: among owners, and among the requests of each."""

from __future__ import annotations

from collections import Counter
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.core.scheduling.batching import BatchPolicy, Lane, Waiting, pick_batch
from zhiyin.core.scheduling.entries import SchedulerLimits
from zhiyin.core.scheduling.fairness import FairShares
from zhiyin.core.scheduling.scheduler import Scheduler
from zhiyin.domain.caller import Caller, CallerLimits
from zhiyin.domain.errors import Overloaded
from zhiyin.engines.scripted import ScriptedEngine

ONE = BatchPolicy(max_batch=1, ageing_s=1e9)


class Queue:
    """Clips of a cost of one second each, picked one at a time."""

    def __init__(self) -> None:
        self.shares = FairShares()
        self.waiting: dict[int, Waiting] = {}
        self.tags: Counter[tuple[str, str]] = Counter()
        self.numbers = count()

    def put(self, owner: str, request: str = "r") -> None:
        """A clip of a request."""
        idle = all(w.owner != owner for w in self.waiting.values())
        tag = self.shares.arrive(owner, self.tags[owner, request], idle=idle)
        number = next(self.numbers)
        self.waiting[number] = Waiting(number, Lane.ONE_SHOT, tag, 0.0, 1.0, owner=owner)
        self.tags[owner, request] = int(tag) + 1

    def pick(self) -> str:
        """The owner that is served next."""
        (number,) = pick_batch(self.waiting.values(), ONE, 0.0, share=self.shares.of).batch
        served = self.waiting.pop(number)
        self.shares.serve(served.owner, served.tag, served.cost)
        return served.owner


def test_an_owner_with_many_requests_gets_no_more_than_one_with_few() -> None:
    queue = Queue()
    for request in range(20):
        queue.put("many", f"r{request}")
    for _ in range(5):
        queue.put("few")
    assert Counter(queue.pick() for _ in range(10)) == {"many": 5, "few": 5}


def test_who_comes_one_at_a_time_does_not_starve_who_waits() -> None:
    queue = Queue()
    for _ in range(20):
        queue.put("waits")
    served = []
    for _ in range(10):
        queue.put("again and again")
        served.append(queue.pick())
        while "again and again" not in served[-1:] and queue.waiting:
            served.append(queue.pick())
    assert abs(served.count("waits") - served.count("again and again")) <= 1


def test_who_was_idle_gets_no_credit() -> None:
    queue = Queue()
    for _ in range(30):
        queue.put("busy")
    for _ in range(20):
        queue.pick()
    for _ in range(8):
        queue.put("late")
    served = Counter(queue.pick() for _ in range(8))
    assert abs(served["busy"] - served["late"]) <= 2, "one clip ahead of the other at most"


@given(st.lists(st.sampled_from("abc"), min_size=30, max_size=90))
def test_while_all_wait_nobody_is_more_than_a_clip_ahead(arrivals: list[str]) -> None:
    queue = Queue()
    for owner in arrivals:
        queue.put(owner)
    got: Counter[str] = Counter()
    while {w.owner for w in queue.waiting.values()} == set(arrivals):
        got[queue.pick()] += 1
        assert max(got.values()) - min(got[owner] for owner in set(arrivals)) <= 1


def test_an_owner_may_have_so_many_requests_and_others_still_come_in() -> None:
    scheduler = Scheduler(ScriptedEngine, limits=SchedulerLimits(max_requests=8))
    scheduler.start().result(10)
    ann = Caller("ann", limits=CallerLimits(max_requests=2))
    try:
        with scheduler.admit(ann, Lane.ONE_SHOT, 1), scheduler.admit(ann, Lane.ONE_SHOT, 1):
            with pytest.raises(Overloaded) as refused:
                scheduler.admit(ann, Lane.ONE_SHOT, 1)
            assert refused.value.retry_after_s is not None
            scheduler.admit(Caller("bob"), Lane.ONE_SHOT, 1)
        scheduler.admit(ann, Lane.ONE_SHOT, 1)
    finally:
        scheduler.close()
