"""Records of jobs in a SQL database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from zhiyin.domain.errors import CannotDecrypt
from zhiyin.domain.job import (
    Backlog,
    Failure,
    Job,
    JobQuery,
    JobRequest,
    JobState,
    Lease,
    Priority,
    Recording,
    Webhook,
    WebhookState,
)
from zhiyin.domain.options import TranscribeOptions
from zhiyin.domain.options_codec import dump_options, load_options
from zhiyin.ports.cipher import Cipher
from zhiyin.store.jobs_sql.tables import BLOB_KEYS, JOBS, QUEUE
from zhiyin.store.sql.database import Database

_C = JOBS.c
_MAX_MESSAGE_CHARS = 1000
_ASKED_AT_ONCE = 500


class SqlJobs:
    """Implements `ports.jobs.JobStore`; what clients wrote is sealed.

    Of a record that does not open the rest is given, with the reason in `Job.unreadable`; what is
    sealed stays as it is when such a record is replaced.
    """

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    async def add(self, job: Job) -> Job:
        """INSERT; the unique constraint finds the earlier one."""
        try:
            async with self._database.transaction(write=True) as db:
                await db.execute(insert(JOBS).values(self._row(job)))
            return job
        except IntegrityError:
            (held,) = await self.list(JobQuery(job.owner, limit=1, key=job.key))
            return held

    async def get(self, job_id: str) -> Job | None:
        """By primary key."""
        async with self._database.transaction() as db:
            row = (await db.execute(select(JOBS).where(_C.id == job_id))).first()
        return None if row is None else self._job(row)

    async def replace(self, job: Job) -> bool:
        """UPDATE of a row that has the version still."""
        values = self._row(job) | {"version": job.version + 1}
        async with self._database.transaction(write=True) as db:
            done = await db.execute(update(JOBS).where(_same(job)).values(values))
        return done.rowcount == 1

    async def remove(self, job: Job) -> bool:
        """DELETE of a row that has the version still, of its blobs' keys and its dead letter."""
        keys = delete(BLOB_KEYS).where(BLOB_KEYS.c.name.startswith(f"{job.id}.", autoescape=True))
        async with self._database.transaction(write=True) as db:
            done = await db.execute(delete(JOBS).where(_same(job)))
            if done.rowcount == 1:
                await db.execute(keys)
                await db.execute(delete(QUEUE).where(QUEUE.c.job_id == job.id))
        return done.rowcount == 1

    async def scrub(self, *, wait: bool = True) -> None:
        """Delete dead letters of no job; empty SQLite's journal, the file itself is overwritten."""
        stray = QUEUE.c.dead.is_(True) & QUEUE.c.job_id.not_in(select(_C.id))
        async with self._database.transaction(write=True) as db:
            await db.execute(delete(QUEUE).where(stray))
        await self._database.truncate_journal(wait=wait)

    async def list(self, query: JobQuery) -> Sequence[Job]:
        """By owner; ids sort by time."""
        wanted: list[ColumnElement[bool]] = [_C.owner == query.owner]
        if query.before:
            wanted.append(_C.id < query.before)
        if query.state is not None:
            wanted.append(_C.state == query.state.value)
        if query.key:
            wanted.append(_C.idempotency == query.key)
        order = select(JOBS).where(*wanted).order_by(_C.id.desc()).limit(query.limit)
        async with self._database.transaction() as db:
            rows = (await db.execute(order)).all()
        return [self._job(row) for row in rows]

    async def due(self, now: float, limit: int) -> Sequence[Job]:
        """By the index of times."""
        late = select(JOBS).where(_C.attend_at <= now).order_by(_C.attend_at).limit(limit)
        async with self._database.transaction() as db:
            rows = (await db.execute(late)).all()
        return [self._job(row) for row in rows]

    async def postpone(self, job: Job, until: float) -> None:
        """UPDATE of a row that has the version still."""
        async with self._database.transaction(write=True) as db:
            await db.execute(update(JOBS).where(_same(job)).values(attend_at=until))

    async def versions(self, job_ids: Sequence[str]) -> Mapping[str, int]:
        """By primary key, some hundred at a time."""
        found: dict[str, int] = {}
        async with self._database.transaction() as db:
            for begin in range(0, len(job_ids), _ASKED_AT_ONCE):
                some = _C.id.in_(job_ids[begin : begin + _ASKED_AT_ONCE])
                rows = await db.execute(select(_C.id, _C.version).where(some))
                found |= {row.id: row.version for row in rows}
        return found

    async def stored_bytes(self) -> int:
        """A sum over the records."""
        kept = select(func.coalesce(func.sum(_C.audio_bytes), 0)).where(_C.audio != "")
        async with self._database.transaction() as db:
            return int((await db.execute(kept)).scalar_one())

    async def backlog(self, ahead_of: Job | None = None) -> Backlog:
        """One query over the jobs that have not ended."""
        left = func.coalesce(func.sum(_C.duration_s - _C.processed_s), 0.0)
        wanted: list[ColumnElement[bool]] = [
            _C.state.in_((JobState.QUEUED.value, JobState.RUNNING.value))
        ]
        if ahead_of is not None:
            wanted.append(_ahead_of(ahead_of))
        counts = select(_C.state, func.count(), left).where(*wanted).group_by(_C.state)
        async with self._database.transaction() as db:
            found = {row[0]: row for row in (await db.execute(counts)).all()}
        jobs = {state: int(row[1]) for state, row in found.items()}
        audio_s = sum(float(row[2]) for row in found.values())
        return Backlog(jobs.get(JobState.QUEUED, 0), jobs.get(JobState.RUNNING, 0), audio_s)

    def _row(self, job: Job) -> dict[str, Any]:
        lease, failure, audio = job.lease, job.failure, job.recording
        return {
            "id": job.id,
            "owner": job.owner,
            "idempotency": job.key or None,
            "state": job.state.value,
            "priority": int(job.request.priority),
            "version": job.version,
            "run": job.run,
            "attempts": job.attempts,
            "created_at": job.created_at,
            "due_at": job.due_at,
            "put_at": job.put_at,
            "started_at": job.started_at,
            "ended_at": job.ended_at,
            "until": job.until,
            "attend_at": job.next_check_at,
            "lease_token": lease.token if lease else None,
            "lease_until": lease.until if lease else None,
            "audio": audio.blob,
            "audio_bytes": audio.size_bytes,
            "audio_until": audio.until,
            "duration_s": audio.duration_s,
            "processed_s": job.processed_s,
            "result": job.result,
            "failure_code": failure.code if failure else None,
            "failure_message": self._sealed_message(job),
            "webhook": job.webhook.delivery.value,
            "webhook_attempts": job.webhook.attempts,
            "webhook_due_at": job.webhook.due_at,
            **self._sealed(job),
        }

    def _sealed(self, job: Job) -> dict[str, Any]:
        if job.unreadable:
            return {}
        payload = self._cipher.seal(_payload(job), identity(job.owner, job.id, "payload"))
        return {"key_id": self._cipher.key_id, "payload": payload}

    def _sealed_message(self, job: Job) -> bytes | None:
        if job.failure is None:
            return None
        message = job.failure.message[:_MAX_MESSAGE_CHARS].encode()
        return self._cipher.seal(message, identity(job.owner, job.id, "failure_message"))

    def _failure(self, row: Row[Any]) -> Failure | None:
        if row.failure_code is None:
            return None
        name = identity(row.owner, row.id, "failure_message")
        try:
            message = self._cipher.open(bytes(row.failure_message), name).decode()
        except CannotDecrypt as error:
            message = error.message
        return Failure(row.failure_code, message)

    def _private(self, row: Row[Any]) -> tuple[JobRequest, str, str]:
        """Request, fingerprint, and why they don't open."""
        priority = Priority(row.priority)
        try:
            opened = self._cipher.open(bytes(row.payload), identity(row.owner, row.id, "payload"))
        except CannotDecrypt as error:
            return JobRequest(TranscribeOptions(), priority), "", error.message
        body = json.loads(opened)
        options = load_options(body["options"].encode())
        request = JobRequest(options, priority, body["url"], body["webhook_url"], body["store"])
        return request, body["fingerprint"], ""

    def _job(self, row: Row[Any]) -> Job:
        request, fingerprint, unreadable = self._private(row)
        lease = None if row.lease_token is None else Lease(row.lease_token, row.lease_until)
        return Job(
            id=row.id,
            owner=row.owner,
            request=request,
            recording=Recording(row.audio, row.audio_bytes, row.audio_until, row.duration_s),
            created_at=row.created_at,
            due_at=row.due_at,
            key=row.idempotency or "",
            fingerprint=fingerprint,
            state=JobState(row.state),
            version=row.version,
            run=row.run,
            attempts=row.attempts,
            put_at=row.put_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
            until=row.until,
            lease=lease,
            processed_s=row.processed_s,
            result=row.result,
            failure=self._failure(row),
            webhook=Webhook(WebhookState(row.webhook), row.webhook_attempts, row.webhook_due_at),
            next_check_at=row.attend_at,
            unreadable=unreadable,
        )


def identity(owner: str, job_id: str, column: str) -> str:
    """What a sealed value is bound to."""
    return f"job/{owner}/{job_id}/{column}"


def _same(job: Job) -> ColumnElement[bool]:
    return and_(_C.id == job.id, _C.version == job.version)


def _ahead_of(job: Job) -> ColumnElement[bool]:
    priority = int(job.request.priority)
    earlier = and_(_C.priority == priority, _C.id < job.id)
    return or_(_C.state == JobState.RUNNING.value, _C.priority > priority, earlier)


def _payload(job: Job) -> bytes:
    request = job.request
    body = {
        "options": dump_options(request.options).decode(),
        "url": request.url,
        "webhook_url": request.webhook_url,
        "store": request.store,
        "fingerprint": job.fingerprint,
    }
    return json.dumps(body, ensure_ascii=False).encode()
