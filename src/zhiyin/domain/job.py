"""Jobs: asynchronous recognition with states, leases and webhooks. All times are unix seconds.

The record of a job is authoritative; queues carry its id only. Records are updated by compare and
swap of `version`: a transition is stored only if its input is still the stored record.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from zhiyin.domain.errors import CannotDecrypt
from zhiyin.domain.options import TranscribeOptions

MAX_URL_CHARS = 2048
MAX_KEY_CHARS = 255

_ID = re.compile(r"job_[0-9a-f]{32}")


class JobState(StrEnum):
    """State of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the state is terminal."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Priority(IntEnum):
    """Order in the queue; first in, first out among equals."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


class WebhookState(StrEnum):
    """Delivery state of the webhook."""

    NONE = "none"
    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's right to a job, good until `until`; `token` is unique to it."""

    token: str
    until: float


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Options of a job: with `url` the recording is fetched from there.

    `webhook_url` is notified of the end; empty: none. With `store` the transcript
    goes into the history too.
    """

    options: TranscribeOptions
    priority: Priority = Priority.NORMAL
    url: str = ""
    webhook_url: str = ""
    store: bool = True


@dataclass(frozen=True, slots=True)
class Recording:
    """The job's audio: `blob` names it, empty while there is none; deleted at `until`.

    `duration_s` is what the container declares, None while unknown.
    """

    blob: str
    size_bytes: int
    until: float
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed; for the caller."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """The notification of the end: tried `attempts` times, next at `due_at`."""

    delivery: WebhookState = WebhookState.NONE
    attempts: int = 0
    due_at: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """The record of a job.

    `key` and `fingerprint` are digests: of the client's idempotency key, and of all it sent with
    it. `run` counts runs (1, and 1 more for each retry by the owner), `attempts` the
    leases of this run. `due_at` is the earliest time to work on it, `put_at` when it was given to
    the queue (None: not yet), `processed_s` seconds of audio done, `result` the name of the
    transcript's blob, `until` when the record of an ended job expires, `next_check_at` when the
    reconciler must check it. `unreadable` says why the client's data can't be decrypted: `request`
    and `fingerprint` are then empty.
    """

    id: str
    owner: str
    request: JobRequest
    recording: Recording
    created_at: float
    due_at: float
    key: str = ""
    fingerprint: str = ""
    state: JobState = JobState.QUEUED
    version: int = 0
    run: int = 1
    attempts: int = 0
    put_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    until: float | None = None
    lease: Lease | None = None
    processed_s: float = 0.0
    result: str = ""
    failure: Failure | None = None
    webhook: Webhook = Webhook()
    next_check_at: float | None = None
    unreadable: str = ""

    @property
    def event_id(self) -> str:
        """The webhook id of this run's end: the same for every delivery attempt."""
        return f"msg_{self.id.removeprefix('job_')}_{self.run}"

    def blob(self, name: str) -> str:
        """The name, if it is one of this job's blobs. Raises CannotDecrypt."""
        if name and not name.startswith(f"{self.id}."):
            raise CannotDecrypt(
                "The record of this job was tampered with: it names another's data."
            )
        return name


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """Leases, retries and retention of jobs. Seconds unless named otherwise."""

    lease_s: float = 60.0
    max_attempts: int = 5
    retry_s: float = 5.0
    redeliver_s: float = 300.0
    audio_ttl_s: float = 86_400.0
    cancelled_ttl_s: float = 600.0
    keep_s: float = 604_800.0
    webhook_attempts: int = 8
    webhook_timeout_s: float = 10.0
    webhook_retry_s: float = 5.0
    max_waiting: int = 1000


@dataclass(frozen=True, slots=True)
class JobQuery:
    """An owner's jobs, the newest first: those before `before` (an id), of the state, of the key.

    Empty fields don't filter; at most `limit`.
    """

    owner: str
    limit: int = 20
    before: str = ""
    state: JobState | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Backlog of the queue: jobs waiting and running, `audio_s` known seconds of audio."""

    waiting: int
    running: int
    audio_s: float


def new_job_id(now: float) -> str:
    """An id that sorts by time: milliseconds, then 80 random bits."""
    return f"job_{int(now * 1000) & (1 << 48) - 1:012x}{secrets.token_hex(10)}"


def is_job_id(text: str) -> bool:
    """Whether `text` could be the id of a job."""
    return _ID.fullmatch(text) is not None
