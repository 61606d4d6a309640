"""Job state machine: leases, retries, expiry. Pure; None means that there is no transition.

A worker's transitions name its lease's token; they are None once another worker has the lease or
the job has ended, so that every run of a job ends once, even if workers crash or come back late.
"""

from __future__ import annotations

from dataclasses import replace

from zhiyin.domain.backoff import backoff_s
from zhiyin.domain.job import Failure, Job, JobPolicy, JobState, Lease, Webhook, WebhookState

_LONGEST_S = 3600.0

LOST = Failure("worker_lost", "The workers that had this job were lost, too often to go on.")
_LOCKED = "cannot_decrypt"
EXPIRED = Failure("expired", "No worker took this job before its recording had to be deleted.")


def scheduled(job: Job, policy: JobPolicy) -> Job:
    """The record with the time at which the reconciler must check it."""
    return replace(job, next_check_at=min(_times(job, policy), default=None))


def _times(job: Job, policy: JobPolicy) -> list[float]:
    if job.state is JobState.RUNNING:
        return [job.lease.until] if job.lease else [0.0]
    if job.state is JobState.QUEUED:
        waiting = job.due_at if job.put_at is None else job.put_at + policy.redeliver_s
        return [waiting, job.recording.until]
    times = [job.webhook.due_at, job.until]
    if job.recording.blob:
        times.append(job.recording.until)
    return [t for t in times if t is not None]


def queued(job: Job, now: float) -> Job | None:
    """The queue has it."""
    return replace(job, put_at=now) if job.state is JobState.QUEUED else None


def not_queued(job: Job, now: float, policy: JobPolicy) -> Job | None:
    """The queue did not take it; the reconciler retries after `retry_s`."""
    if job.state is not JobState.QUEUED:
        return None
    return replace(job, put_at=None, due_at=max(job.due_at, now + policy.retry_s))


def leased(job: Job, token: str, now: float, policy: JobPolicy) -> Job | None:
    """A worker leases it, if it is queued and due; one that can't be decrypted fails."""
    if job.state is not JobState.QUEUED or job.due_at > now or job.recording.until <= now:
        return None
    if job.unreadable:
        return _ended(job, JobState.FAILED, now, policy, Failure(_LOCKED, job.unreadable))
    return replace(
        job,
        state=JobState.RUNNING,
        attempts=job.attempts + 1,
        lease=Lease(token, now + policy.lease_s),
        started_at=now if job.started_at is None else job.started_at,
        processed_s=0.0,
        failure=None,
    )


def lease_renewed(
    job: Job, token: str, now: float, processed_s: float, policy: JobPolicy
) -> Job | None:
    """Its worker goes on: the lease lasts longer, and the progress is stored."""
    if not _has_lease(job, token):
        return None
    return replace(job, lease=Lease(token, now + policy.lease_s), processed_s=processed_s)


def fetched(job: Job, token: str, blob: str, size_bytes: int, now: float) -> Job | None:
    """Its recording was downloaded from the client's URL: it waits for a worker to be free.

    That was no attempt.
    """
    if not _has_lease(job, token):
        return None
    recording = replace(job.recording, blob=blob, size_bytes=size_bytes)
    return _requeued(replace(job, recording=recording, attempts=job.attempts - 1), now)


def measured(job: Job, token: str, duration_s: float | None) -> Job | None:
    """The duration of its recording is known."""
    if not _has_lease(job, token) or duration_s is None:
        return None
    return replace(job, recording=replace(job.recording, duration_s=duration_s))


def released(job: Job, token: str, now: float, pause_s: float) -> Job | None:
    """Its worker releases the lease; queued again after `pause_s`, the attempt doesn't count."""
    if not _has_lease(job, token):
        return None
    return _requeued(replace(job, attempts=job.attempts - 1), now + pause_s)


def attempt_failed(
    job: Job, token: str, failure: Failure, now: float, policy: JobPolicy
) -> Job | None:
    """An attempt failed with a retryable error; after the last one the job has failed."""
    if not _has_lease(job, token):
        return None
    if job.attempts >= policy.max_attempts:
        return _ended(job, JobState.FAILED, now, policy, failure)
    pause_s = backoff_s(job.attempts, policy.retry_s, _LONGEST_S)
    return replace(_requeued(job, now + pause_s), failure=failure)


def lease_lost(job: Job, now: float, policy: JobPolicy) -> Job | None:
    """The lease has expired: queued again, or failed after the last attempt."""
    if job.state is not JobState.RUNNING or (job.lease and job.lease.until > now):
        return None
    if job.attempts >= policy.max_attempts:
        return _ended(job, JobState.FAILED, now, policy, LOST)
    return _requeued(job, now)


def done(
    job: Job, token: str, result: str, duration_s: float, now: float, policy: JobPolicy
) -> Job | None:
    """Done; the transcript is stored in the blob `result`."""
    if not _has_lease(job, token):
        return None
    recording = replace(job.recording, duration_s=duration_s)
    job = replace(job, result=result, processed_s=duration_s, recording=recording)
    return _ended(job, JobState.DONE, now, policy)


def failed(job: Job, token: str, failure: Failure, now: float, policy: JobPolicy) -> Job | None:
    """Failed with an error that no retry helps."""
    return _ended(job, JobState.FAILED, now, policy, failure) if _has_lease(job, token) else None


def expired(job: Job, now: float, policy: JobPolicy) -> Job | None:
    """Failed: it was queued for longer than its recording may be kept."""
    if job.state is not JobState.QUEUED or job.recording.until > now:
        return None
    return _ended(job, JobState.FAILED, now, policy, EXPIRED)


def cancelled(job: Job, now: float, policy: JobPolicy) -> Job | None:
    """Cancelled by its owner; its recording is kept a little longer, for a retry."""
    if job.state.ended:
        return None
    until = min(job.recording.until, now + policy.cancelled_ttl_s)
    job = replace(job, recording=replace(job.recording, until=until))
    return _ended(job, JobState.CANCELLED, now, policy)


def retried(job: Job, now: float, policy: JobPolicy) -> Job | None:
    """A new run, as its owner wishes, after a failure or a cancellation."""
    if job.state not in (JobState.FAILED, JobState.CANCELLED) or job.recording.until <= now:
        return None
    until = max(job.recording.until, job.created_at + policy.audio_ttl_s)
    fresh = _requeued(replace(job, recording=replace(job.recording, until=until)), now)
    return replace(
        fresh, run=job.run + 1, attempts=0, started_at=None, ended_at=None, until=None,
        failure=None, result="", processed_s=0.0, webhook=Webhook(),
    )  # fmt: skip


def without_audio(job: Job) -> Job | None:
    """Its recording is deleted."""
    if not job.state.ended or not job.recording.blob:
        return None
    return replace(job, recording=replace(job.recording, blob=""))


def webhook_claimed(job: Job, now: float, policy: JobPolicy) -> Job | None:
    """Claim a webhook attempt that is due, or give up: too many attempts, or no address."""
    hook = job.webhook
    if hook.delivery is not WebhookState.PENDING or hook.due_at is None or hook.due_at > now:
        return None
    if hook.attempts >= policy.webhook_attempts or job.unreadable:
        return replace(job, webhook=replace(hook, delivery=WebhookState.GIVEN_UP, due_at=None))
    attempts = hook.attempts + 1
    pause_s = backoff_s(attempts, policy.webhook_retry_s, _LONGEST_S)
    due_at = now + policy.webhook_timeout_s + pause_s
    return replace(job, webhook=Webhook(WebhookState.PENDING, attempts, due_at))


def webhook_attempted(job: Job, run: int, delivered: bool, policy: JobPolicy) -> Job | None:
    """The outcome of a webhook attempt about that run's end."""
    hook = job.webhook
    if job.run != run or hook.delivery is not WebhookState.PENDING:
        return None
    if not delivered and hook.attempts < policy.webhook_attempts:
        return None  # `webhook_claimed` has set when to retry
    outcome = WebhookState.DELIVERED if delivered else WebhookState.GIVEN_UP
    return replace(job, webhook=replace(hook, delivery=outcome, due_at=None))


def _has_lease(job: Job, token: str) -> bool:
    return job.state is JobState.RUNNING and job.lease is not None and job.lease.token == token


def _requeued(job: Job, due_at: float) -> Job:
    return replace(job, state=JobState.QUEUED, lease=None, due_at=due_at, put_at=None)


def _ended(
    job: Job, state: JobState, now: float, policy: JobPolicy, failure: Failure | None = None
) -> Job:
    hook = Webhook(WebhookState.PENDING, 0, now) if job.request.webhook_url else Webhook()
    return replace(
        job, state=state, lease=None, ended_at=now, until=now + policy.keep_s,
        failure=failure, webhook=hook,
    )  # fmt: skip
