"""Properties of `pick_batch`."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from zhiyin.core.scheduling.batching import BatchPolicy, Capacity, Lane, Waiting, pick_batch, rank

entries = st.lists(
    st.builds(
        Waiting,
        number=st.integers(0, 10_000),
        lane=st.sampled_from(Lane),
        tag=st.floats(0, 100),
        enqueued=st.floats(0, 100),
        cost=st.floats(0.01, 5),
        kind=st.sampled_from(["a", "b"]),
        deadline=st.one_of(st.none(), st.floats(0, 200)),
        bulk=st.booleans(),
    ),
    max_size=30,
    unique_by=lambda e: e.number,
)
policies = st.builds(
    BatchPolicy,
    max_batch=st.integers(1, 16),
    max_cost_s=st.floats(0.1, 10),
    ageing_s=st.floats(1, 20),
)


@given(entries, policies, st.floats(0, 200))
def test_batch_and_expired_are_disjoint_and_known(
    waiting: list[Waiting], policy: BatchPolicy, now: float
) -> None:
    pick = pick_batch(waiting, policy, now)
    numbers = {e.number for e in waiting}
    assert set(pick.batch) | set(pick.expired) <= numbers
    assert not set(pick.batch) & set(pick.expired)
    assert len(set(pick.batch)) == len(pick.batch) <= policy.max_batch


@given(entries, policies, st.floats(0, 200))
def test_exactly_the_late_expire(waiting: list[Waiting], policy: BatchPolicy, now: float) -> None:
    late = {e.number for e in waiting if e.deadline is not None and e.deadline <= now}
    assert set(pick_batch(waiting, policy, now).expired) == late


@given(entries, policies, st.floats(0, 200))
def test_there_is_progress_while_anybody_waits(
    waiting: list[Waiting], policy: BatchPolicy, now: float
) -> None:
    pick = pick_batch(waiting, policy, now)
    assert bool(pick.batch) == (len(pick.expired) < len(waiting))


@given(entries, policies, st.floats(0, 200))
def test_a_batch_is_of_one_kind_and_within_cost(
    waiting: list[Waiting], policy: BatchPolicy, now: float
) -> None:
    by_number = {e.number: e for e in waiting}
    batch = [by_number[n] for n in pick_batch(waiting, policy, now).batch]
    assert len({e.kind for e in batch}) <= 1
    if len(batch) > 1:
        assert sum(e.cost for e in batch) <= policy.max_cost_s + 1e-9


@given(entries, policies, st.floats(0, 200))
def test_the_first_is_of_the_best_rank(
    waiting: list[Waiting], policy: BatchPolicy, now: float
) -> None:
    pick = pick_batch(waiting, policy, now)
    alive = [e for e in waiting if e.number not in pick.expired]
    if alive:
        first = next(e for e in alive if e.number == pick.batch[0])
        assert rank(first, policy, now) == min(rank(e, policy, now) for e in alive)


@given(entries, policies, st.floats(0, 200))
def test_order_of_the_queue_does_not_matter(
    waiting: list[Waiting], policy: BatchPolicy, now: float
) -> None:
    forward = pick_batch(waiting, policy, now)
    backward = pick_batch(waiting[::-1], policy, now)
    assert forward.batch == backward.batch
    assert set(forward.expired) == set(backward.expired)


def test_nobody_starves() -> None:
    policy = BatchPolicy(ageing_s=5)
    old = Waiting(0, Lane.JOB, tag=0, enqueued=0, cost=1)
    for now in range(60):
        fresh = Waiting(now + 1, Lane.FINAL, tag=now, enqueued=now, cost=1)
        if pick_batch([old, fresh], policy, now).batch == (0,):
            return
    raise AssertionError("the job never ran")


def test_callers_take_turns_by_tag() -> None:
    mine = [Waiting(i, Lane.ONE_SHOT, tag=float(i), enqueued=0, cost=1) for i in range(5)]
    yours = replace(mine[0], number=9, tag=0.5)
    order: list[int] = []
    left = [*mine, yours]
    while left:
        (number,) = pick_batch(left, BatchPolicy(max_batch=1), 0).batch
        order.append(number)
        left = [e for e in left if e.number != number]
    assert order.index(9) == 1


@given(entries, policies, st.floats(0, 200))
def test_without_room_for_bulk_none_is_taken(
    waiting: list[Waiting], policy: BatchPolicy, now: float
) -> None:
    pick = pick_batch(waiting, policy, now, Capacity(bulk=0))
    by_number = {e.number: e for e in waiting}
    assert not any(by_number[n].bulk for n in pick.batch)
    others = [e for e in waiting if not e.bulk and e.number not in pick.expired]
    assert bool(pick.batch) == bool(others)


@given(entries, policies, st.floats(0, 200))
def test_partial_results_wait_for_a_final_but_not_for_ever(
    waiting: list[Waiting], policy: BatchPolicy, now: float
) -> None:
    pick = pick_batch(waiting, policy, now, Capacity(final=True))
    by_number = {e.number: e for e in waiting}
    for entry in (by_number[n] for n in pick.batch):
        assert entry.lane is not Lane.PARTIAL or now - entry.enqueued >= policy.ageing_s
    others = [e for e in waiting if e.lane is not Lane.PARTIAL and e.number not in pick.expired]
    assert bool(pick.batch) >= bool(others)


@given(entries, policies, st.floats(0, 200), st.integers(1, 8))
def test_idle_threads_leave_something_for_each_other(
    waiting: list[Waiting], policy: BatchPolicy, now: float, idle: int
) -> None:
    pick = pick_batch(waiting, policy, now, Capacity(idle))
    alive = len(waiting) - len(pick.expired)
    assert len(pick.batch) <= -(-alive // idle)


@given(entries, policies, st.floats(0, 200))
def test_calls_are_short_while_live_work_waits(
    waiting: list[Waiting], policy: BatchPolicy, now: float
) -> None:
    pick = pick_batch(waiting, policy, now)
    alive = [e for e in waiting if e.number not in pick.expired]
    batch = [e for e in alive if e.number in pick.batch]
    if any(e.lane <= Lane.PARTIAL for e in alive) and len(batch) > 1:
        assert sum(e.cost for e in batch) <= policy.live_cost_s + 1e-9


@given(st.integers(1, 4), st.floats(0.2, 2.0), st.integers(0, 10_000))
def test_live_work_never_waits_for_more_than_one_call(
    threads: int, piece_s: float, seed: int
) -> None:
    """A flood of long files on a virtual clock, live clips at random moments between."""
    policy = BatchPolicy(max_cost_s=piece_s)
    draw = random.Random(seed)
    live = sorted(draw.uniform(0, 60) for _ in range(20))
    for waited in simulate(policy, threads, piece_s, live):
        assert waited <= piece_s + 0.05 + 1e-6


def simulate(
    policy: BatchPolicy, threads: int, piece_s: float, live: list[float]
) -> Iterator[float]:
    """How long each live clip of 10 ms waited, with bulk and one-shot pieces always there."""
    free = [0.0] * threads
    numbers = itertools.count()
    queue = [_piece(next(numbers), i, piece_s) for i in range(50)]
    coming = [Waiting(next(numbers), Lane.FINAL, 0.0, at, 0.01, kind="live") for at in live]
    while coming or any(e.lane == Lane.FINAL for e in queue):
        thread = min(range(threads), key=free.__getitem__)
        now = free[thread]
        queue += [e for e in coming if e.enqueued <= now]
        coming = [e for e in coming if e.enqueued > now]
        pick = pick_batch(queue, policy, now)
        batch = [e for e in queue if e.number in pick.batch]
        queue = [e for e in queue if e.number not in pick.batch]
        queue += [_piece(next(numbers), now, piece_s) for e in batch if e.kind == "file"]
        yield from (now - e.enqueued for e in batch if e.lane == Lane.FINAL)
        free[thread] = now + sum(e.cost for e in batch)


def _piece(number: int, tag: float, cost: float) -> Waiting:
    return Waiting(number, Lane.JOB, tag, enqueued=tag, cost=cost, kind="file", bulk=True)
