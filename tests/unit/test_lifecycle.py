"""Job lifecycle: every run ends once, with crashed, late and concurrent workers."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.support.job_records import POLICY, job, sure
from zhiyin.core.jobs import lifecycle
from zhiyin.domain.job import Failure, Job, JobState, WebhookState, is_job_id, new_job_id

WHY = Failure("engine_failed", "It broke.")
TOKENS = ("a", "b")


def running(token: str = "a", now: float = 0.0) -> Job:
    leased = lifecycle.leased(job(), token, now, POLICY)
    assert leased is not None
    return leased


def act(held: Job, name: str, token: str, now: float) -> Job | None:
    """One step of a worker, an owner or the reconciler."""
    steps = {
        "lease": lambda: lifecycle.leased(held, token, now, POLICY),
        "renew": lambda: lifecycle.lease_renewed(held, token, now, 1.0, POLICY),
        "done": lambda: lifecycle.done(held, token, f"{token}.result", 1.0, now, POLICY),
        "fail": lambda: lifecycle.failed(held, token, WHY, now, POLICY),
        "fail_attempt": lambda: lifecycle.attempt_failed(held, token, WHY, now, POLICY),
        "release": lambda: lifecycle.released(held, token, now, 0.0),
        "lose_lease": lambda: lifecycle.lease_lost(held, now, POLICY),
        "cancel": lambda: lifecycle.cancelled(held, now, POLICY),
        "expire": lambda: lifecycle.expired(held, now, POLICY),
        "retry": lambda: lifecycle.retried(held, now, POLICY),
        "queue": lambda: lifecycle.queued(held, now),
        "claim_webhook": lambda: lifecycle.webhook_claimed(held, now, POLICY),
        "attempt_webhook": lambda: lifecycle.webhook_attempted(held, held.run, True, POLICY),
    }
    return steps[name]()


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["lease", "renew", "done", "fail", "fail_attempt", "release", "lose_lease", "cancel",
             "expire", "retry", "queue", "claim_webhook", "attempt_webhook"]
        ),
        st.sampled_from(TOKENS),
        st.floats(0, 60),
    ),
    max_size=60,
)  # fmt: skip


@given(ACTIONS)
def test_every_run_ends_at_most_once_and_always_can(actions: list[tuple[str, str, float]]) -> None:
    held, now = job(), 0.0
    ends: list[tuple[int, JobState]] = []
    for name, token, wait_s in actions:
        now += wait_s
        owner = held.lease.token if held.lease else None
        changed = act(held, name, token, now)
        if changed is None:
            continue
        if name in ("renew", "done", "fail", "fail_attempt", "release"):
            assert owner == token, "only the holder of the lease writes"
        if changed.state.ended and not held.state.ended:
            ends.append((changed.run, changed.state))
            assert changed.webhook.delivery is WebhookState.PENDING
        if held.state.ended and changed.run == held.run:
            assert changed.state is held.state, "an end stays"
        assert changed.attempts <= POLICY.max_attempts
        assert (changed.lease is not None) == (changed.state is JobState.RUNNING)
        held = changed
        assert lifecycle.scheduled(held, POLICY).next_check_at is not None, (
            "the reconciler will check it"
        )
    runs = [run for run, _ in ends]
    assert len(runs) == len(set(runs))


def test_a_lost_lease_gives_the_job_to_another() -> None:
    first = running("a")
    assert lifecycle.lease_lost(first, 9.9, POLICY) is None
    waiting = sure(lifecycle.lease_lost(first, 10.0, POLICY))
    second = sure(lifecycle.leased(waiting, "b", 10.0, POLICY))
    assert second.attempts == 2
    assert lifecycle.done(second, "a", "late.result", 1.0, 11.0, POLICY) is None
    done = sure(lifecycle.done(second, "b", "mine.result", 1.0, 11.0, POLICY))
    assert (done.state, done.result) == (JobState.DONE, "mine.result")


def test_a_held_lease_is_not_lost() -> None:
    held = sure(lifecycle.lease_renewed(running(), "a", 8.0, 3.5, POLICY))
    assert held.processed_s == 3.5
    assert lifecycle.lease_lost(held, 12.0, POLICY) is None


def test_the_last_attempt_is_the_end() -> None:
    held, now = job(), 0.0
    for attempt in range(1, POLICY.max_attempts + 1):
        held = sure(lifecycle.leased(held, "a", now, POLICY))
        assert held.attempts == attempt
        now += POLICY.lease_s
        held = sure(lifecycle.lease_lost(held, now, POLICY))
    assert (held.state, held.failure) == (JobState.FAILED, lifecycle.LOST)


def test_failed_attempts_wait_longer_each_time() -> None:
    held, now, waits = job(), 0.0, []
    for _ in range(2):
        held = sure(lifecycle.leased(held, "a", now, POLICY))
        held = sure(lifecycle.attempt_failed(held, "a", WHY, now, POLICY))
        assert held.state is JobState.QUEUED
        assert lifecycle.leased(held, "a", now, POLICY) is None, "not yet"
        waits.append(held.due_at - now)
        now = held.due_at
    assert waits == [POLICY.retry_s, 2 * POLICY.retry_s]


def test_a_job_that_waits_too_long_expires_with_its_recording() -> None:
    assert lifecycle.expired(job(), 999.0, POLICY) is None
    expired = sure(lifecycle.expired(job(), 1000.0, POLICY))
    assert (expired.state, expired.failure) == (JobState.FAILED, lifecycle.EXPIRED)
    assert lifecycle.leased(job(), "a", 1000.0, POLICY) is None
    assert lifecycle.retried(expired, 1000.0, POLICY) is None, "there is nothing to do it with"


def test_messages_are_tried_a_bounded_number_of_times() -> None:
    held, now, times = sure(lifecycle.cancelled(job(), 5.0, POLICY)), 5.0, []
    while held.webhook.delivery is WebhookState.PENDING:
        assert held.webhook.due_at is not None
        now = held.webhook.due_at
        times.append(now)
        held = sure(lifecycle.webhook_claimed(held, now, POLICY))
        held = lifecycle.webhook_attempted(held, 1, False, POLICY) or held
    assert held.webhook.delivery is WebhookState.GIVEN_UP
    assert held.webhook.attempts == POLICY.webhook_attempts == len(times)
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps == sorted(gaps)
    assert min(gaps) > POLICY.webhook_timeout_s, "two are never sent at once"


def test_a_message_of_an_earlier_run_does_not_count_for_the_next() -> None:
    first = sure(
        lifecycle.webhook_claimed(sure(lifecycle.cancelled(job(), 5.0, POLICY)), 5.0, POLICY)
    )
    second = sure(lifecycle.cancelled(sure(lifecycle.retried(first, 6.0, POLICY)), 7.0, POLICY))
    assert lifecycle.webhook_attempted(second, 1, True, POLICY) is None
    assert first.event_id != second.event_id


def test_without_a_webhook_nobody_is_told() -> None:
    ended = sure(lifecycle.cancelled(job(webhook_url=""), 5.0, POLICY))
    assert ended.webhook.delivery is WebhookState.NONE
    assert lifecycle.webhook_claimed(ended, 50.0, POLICY) is None


def test_somebody_looks_when_there_is_something_to_do() -> None:
    def at(held: Job) -> float | None:
        return lifecycle.scheduled(held, POLICY).next_check_at

    waiting = job()
    assert at(waiting) == 0.0
    assert at(sure(lifecycle.queued(waiting, 3.0))) == 3.0 + POLICY.redeliver_s
    assert at(running(now=4.0)) == 14.0
    ended = sure(lifecycle.cancelled(waiting, 5.0, POLICY))
    assert at(ended) == 5.0, "the message"
    told = sure(lifecycle.webhook_attempted(ended, 1, True, POLICY))
    assert at(told) == 5.0 + POLICY.cancelled_ttl_s, "the recording"
    bare = sure(lifecycle.without_audio(told))
    assert at(bare) == 5.0 + POLICY.keep_s, "the record"
    assert at(replace(bare, until=None)) is None


def test_ids_sort_by_time() -> None:
    made = [new_job_id(t) for t in (1.0, 2.0, 1_795_000_000.0, 1_795_000_000.001, 4e9)]
    assert made == sorted(made)
    assert all(is_job_id(one) for one in made)
    assert len({new_job_id(1.0) for _ in range(1000)}) == 1000
    assert not is_job_id(made[0] + "\n")
