"""What may become of a job. Pure: from a record to the next one, or None when that is not to be.

A worker's transitions name its lease's token; they come to nothing once the lease is another's or
the job has ended, so that every run of a job ends once, whoever was killed or came back late.
"""

from __future__ import annotations

from dataclasses import replace

from zhiyin.domain.backoff import backoff_s
from zhiyin.domain.job import Failure, Job, JobPolicy, JobState, Lease, Webhook, WebhookState

_LONGEST_S = 3600.0

LOST = Failure("worker_lost", "The workers that had this job were lost, too often to go on.")
_LOCKED = "cannot_decrypt"
EXPIRED = Failure("expired", "Nobody came to this job before its recording had to be deleted.")


def scheduled(job: Job, policy: JobPolicy) -> Job:
    """The record with the time at which somebody must look at it."""
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


def put(job: Job, now: float) -> Job | None:
    """It is in the queue."""
    return replace(job, put_at=now) if job.state is JobState.QUEUED else None


def not_put(job: Job, now: float, policy: JobPolicy) -> Job | None:
    """The queue did not take it; somebody tries again."""
    if job.state is not JobState.QUEUED:
        return None
    return replace(job, put_at=None, due_at=max(job.due_at, now + policy.retry_s))


def leased(job: Job, token: str, now: float, policy: JobPolicy) -> Job | None:
    """A worker has it, if it waits and its time has come; if nobody can read it, it fails."""
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


def held(job: Job, token: str, now: float, processed_s: float, policy: JobPolicy) -> Job | None:
    """Its worker goes on."""
    if not _holds(job, token):
        return None
    return replace(job, lease=Lease(token, now + policy.lease_s), processed_s=processed_s)


def fetched(job: Job, token: str, blob: str, size_bytes: int) -> Job | None:
    """Its recording has come from the address that the client gave."""
    if not _holds(job, token):
        return None
    recording = replace(job.recording, blob=blob, size_bytes=size_bytes)
    return replace(job, recording=recording)


def measured(job: Job, token: str, duration_s: float | None) -> Job | None:
    """Its recording tells how long it is."""
    if not _holds(job, token) or duration_s is None:
        return None
    return replace(job, recording=replace(job.recording, duration_s=duration_s))


def returned(job: Job, token: str, now: float, pause_s: float) -> Job | None:
    """Its worker could not even try, and another may after `pause_s`; the attempt counts not."""
    if not _holds(job, token):
        return None
    return _waiting(replace(job, attempts=job.attempts - 1), now + pause_s)


def stumbled(job: Job, token: str, failure: Failure, now: float, policy: JobPolicy) -> Job | None:
    """An attempt failed in a way that the next may not; the last one is the end."""
    if not _holds(job, token):
        return None
    if job.attempts >= policy.max_attempts:
        return _ended(job, JobState.FAILED, now, policy, failure)
    pause_s = backoff_s(job.attempts, policy.retry_s, _LONGEST_S)
    return replace(_waiting(job, now + pause_s), failure=failure)


def lost(job: Job, now: float, policy: JobPolicy) -> Job | None:
    """Its worker has let the lease run out."""
    if job.state is not JobState.RUNNING or (job.lease and job.lease.until > now):
        return None
    if job.attempts >= policy.max_attempts:
        return _ended(job, JobState.FAILED, now, policy, LOST)
    return _waiting(job, now)


def done(
    job: Job, token: str, result: str, duration_s: float, now: float, policy: JobPolicy
) -> Job | None:
    """The transcript is stored under that name."""
    if not _holds(job, token):
        return None
    recording = replace(job.recording, duration_s=duration_s)
    job = replace(job, result=result, processed_s=duration_s, recording=recording)
    return _ended(job, JobState.DONE, now, policy)


def failed(job: Job, token: str, failure: Failure, now: float, policy: JobPolicy) -> Job | None:
    """It can't be done."""
    return _ended(job, JobState.FAILED, now, policy, failure) if _holds(job, token) else None


def expired(job: Job, now: float, policy: JobPolicy) -> Job | None:
    """It waited longer than its recording may be kept."""
    if job.state is not JobState.QUEUED or job.recording.until > now:
        return None
    return _ended(job, JobState.FAILED, now, policy, EXPIRED)


def cancelled(job: Job, now: float, policy: JobPolicy) -> Job | None:
    """Its owner does not want it any more."""
    return None if job.state.ended else _ended(job, JobState.CANCELLED, now, policy)


def again(job: Job, now: float) -> Job | None:
    """Its owner wants it done once more, after a failure or a cancellation."""
    if job.state not in (JobState.FAILED, JobState.CANCELLED) or job.recording.until <= now:
        return None
    fresh = _waiting(job, now)
    return replace(
        fresh, run=job.run + 1, attempts=0, started_at=None, ended_at=None, until=None,
        failure=None, result="", processed_s=0.0, webhook=Webhook(),
    )  # fmt: skip


def without_audio(job: Job) -> Job | None:
    """Its recording is deleted."""
    if not job.state.ended or not job.recording.blob:
        return None
    return replace(job, recording=replace(job.recording, blob=""))


def telling(job: Job, now: float, policy: JobPolicy) -> Job | None:
    """The message about its end is sent now, or given up: too many attempts, or no address."""
    hook = job.webhook
    if hook.delivery is not WebhookState.PENDING or hook.due_at is None or hook.due_at > now:
        return None
    if hook.attempts >= policy.webhook_attempts or job.unreadable:
        return replace(job, webhook=replace(hook, delivery=WebhookState.GIVEN_UP, due_at=None))
    attempts = hook.attempts + 1
    pause_s = backoff_s(attempts, policy.webhook_retry_s, _LONGEST_S)
    due_at = now + policy.webhook_timeout_s + pause_s
    return replace(job, webhook=Webhook(WebhookState.PENDING, attempts, due_at))


def told(job: Job, run: int, delivered: bool, policy: JobPolicy) -> Job | None:
    """What became of a message about that run's end."""
    hook = job.webhook
    if job.run != run or hook.delivery is not WebhookState.PENDING:
        return None
    if not delivered and hook.attempts < policy.webhook_attempts:
        return None  # `telling` has said when to try again
    outcome = WebhookState.DELIVERED if delivered else WebhookState.GIVEN_UP
    return replace(job, webhook=replace(hook, delivery=outcome, due_at=None))


def _holds(job: Job, token: str) -> bool:
    return job.state is JobState.RUNNING and job.lease is not None and job.lease.token == token


def _waiting(job: Job, due_at: float) -> Job:
    return replace(job, state=JobState.QUEUED, lease=None, due_at=due_at, put_at=None)


def _ended(
    job: Job, state: JobState, now: float, policy: JobPolicy, failure: Failure | None = None
) -> Job:
    hook = Webhook(WebhookState.PENDING, 0, now) if job.request.webhook_url else Webhook()
    return replace(
        job, state=state, lease=None, ended_at=now, until=now + policy.keep_s,
        failure=failure, webhook=hook,
    )  # fmt: skip
