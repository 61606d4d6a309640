"""Properties of `pick_batch`."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from zhiyin.core.batching import BatchPolicy, Lane, Waiting, pick_batch, rank

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
