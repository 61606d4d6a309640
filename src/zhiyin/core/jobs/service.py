"""Job service: submit, get, list, watch, cancel, retry, delete."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from zhiyin.core.jobs import lifecycle
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.recognition.prepare import Preparer
from zhiyin.core.scheduling.registry import Registry
from zhiyin.domain.errors import (
    CannotDecrypt,
    Conflict,
    ForbiddenAddress,
    InvalidRequest,
    MissingBlob,
    Overloaded,
    Unavailable,
    UnknownJob,
    Unreachable,
)
from zhiyin.domain.job import (
    Job,
    JobQuery,
    JobRequest,
    JobState,
    Recording,
    is_job_id,
    new_job_id,
)
from zhiyin.domain.options_codec import dump_options
from zhiyin.domain.source import AudioSource
from zhiyin.domain.transcript import Transcript
from zhiyin.domain.transcript_codec import load_transcript
from zhiyin.ports.blobs import BlobStore
from zhiyin.ports.queue import JobQueue
from zhiyin.ports.web import Web

log = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20
_POLL_S = 0.5
_LONGEST_RETRY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job, and whether an earlier request with the same idempotency key created it."""

    job: Job
    replayed: bool


@dataclass(frozen=True, slots=True)
class JobRules:
    """What clients may use: fetching from URLs, webhooks.

    `max_bytes` bounds a recording, `max_watchers` the clients that watch jobs.
    """

    allow_urls: bool
    webhooks: bool
    max_bytes: int
    max_watchers: int


@dataclass(slots=True)
class JobService:
    """The use cases of jobs. Owners see their own jobs only; others' are unknown."""

    registry: Registry
    preparer: Preparer
    records: JobRecords
    queue: JobQueue
    blobs: BlobStore
    web: Web
    rules: JobRules
    watchers: int = 0

    async def submit(
        self, owner: str, request: JobRequest, source: AudioSource | None, key: str = ""
    ) -> Submitted:
        """Accept a job: from now on it ends by itself, even if a process dies.

        Without `source` the request has a URL. Raises InvalidRequest, UnknownModel,
        UndecodableAudio, TooLarge, Overloaded, Conflict when the key was used for something else,
        CannotDecrypt and Unavailable.
        """
        self.registry.check(request.options)
        await self._check_addresses(request)
        hashed = _digest(key.encode()) if key else ""
        await self.check_capacity(owner, key)
        now = self.records.clock()
        job_id = new_job_id(now)
        recording, digest = await self._store_recording(job_id, source, request, now)
        fingerprint = _fingerprint(request, digest)
        job = Job(job_id, owner, request, recording, now, now, hashed, fingerprint)
        # When this fails the record may be stored all the same, and then needs the recording; if
        # not, the reconciler deletes the orphan.
        stored = await self.records.add(job)
        if stored.id != job.id:
            await self._delete_blob(recording.blob)
            _check_readable(stored)
            if stored.fingerprint != fingerprint:
                raise Conflict(
                    "This Idempotency-Key was used for another request.",
                    code="idempotency_key_reused",
                )
            return Submitted(stored, replayed=True)
        return Submitted(await self._enqueue(stored), replayed=False)

    async def get(self, owner: str, job_id: str) -> Job:
        """The record. Raises UnknownJob."""
        job = await self.records.store.get(job_id) if is_job_id(job_id) else None
        if job is None or job.owner != owner:
            raise UnknownJob("There is no such job.")
        return job

    async def list(self, query: JobQuery) -> Sequence[Job]:
        """An owner's jobs, the newest first."""
        return await self.records.store.list(query)

    async def cancel(self, owner: str, job_id: str) -> Job:
        """Cancel the job, running or not; one that has ended stays as it is."""
        job = await self.get(owner, job_id)
        now = self.records.clock()
        step = partial(lifecycle.cancelled, now=now, policy=self.records.policy)
        return await self.records.change(job_id, step) or await self.get(owner, job.id)

    async def retry(self, owner: str, job_id: str) -> Job:
        """Run a failed or cancelled job again. Raises Conflict, CannotDecrypt."""
        _check_readable(await self.get(owner, job_id))
        now = self.records.clock()
        job = await self.records.change(job_id, partial(lifecycle.retried, now=now))
        if job is None:
            raise Conflict(
                "Only a job that failed or was cancelled can be done again, and only as long as "
                "its recording is kept.",
                code="not_retryable",
            )
        return await self._enqueue(job)

    async def delete(self, owner: str, job_id: str) -> None:
        """Delete the job in any state, with its recording and transcript."""
        while True:
            job = await self.get(owner, job_id)
            if await self.records.store.remove(job):
                break
        for blob in (job.recording.blob, job.result):
            await self._delete_blob(blob)

    async def result(self, owner: str, job_id: str) -> tuple[Job, Transcript]:
        """The transcript. Raises Conflict unless the job is done, MissingBlob when it is gone.

        Raises CannotDecrypt.
        """
        job = await self.get(owner, job_id)
        if job.state is not JobState.DONE:
            raise Conflict(f"The job is {job.state.value}; it has no result.", code="no_result")
        return job, load_transcript(await _read(self.blobs, job.blob(job.result)))

    async def estimate(self, job: Job) -> float | None:
        """Estimated seconds until the end, None when unknown."""
        total = job.recording.duration_s
        cost = self.registry.cost(job.request.options.model)
        if cost is None or total is None or job.state.ended:
            return None
        if job.state is JobState.RUNNING:
            return cost.request(total - job.processed_s)
        ahead = await self.records.store.backlog(job)
        return cost.request(ahead.audio_s) / max(1, ahead.running) + cost.request(total)

    async def watch(self, owner: str, job_id: str) -> AsyncGenerator[Job, None]:
        """The record now and whenever it has changed; the last has ended.

        Raises UnknownJob, also when the job is deleted meanwhile, and Overloaded.
        """
        if self.watchers >= self.rules.max_watchers:
            raise Overloaded("Too many clients follow jobs. Ask for the state.", retry_after_s=10.0)
        self.watchers += 1
        try:
            seen = -1
            while True:
                job = await self.get(owner, job_id)
                if job.version != seen:
                    seen = job.version
                    yield job
                if job.state.ended:
                    return
                await asyncio.sleep(_POLL_S)
        finally:
            self.watchers -= 1

    async def _check_addresses(self, request: JobRequest) -> None:
        if request.url:
            if not self.rules.allow_urls:
                raise InvalidRequest(
                    "This server does not fetch recordings; upload the file.", code="urls_are_off",
                    param="url",
                )  # fmt: skip
            await self._check_address(request.url, "url")
        if request.webhook_url:
            if not self.rules.webhooks:
                raise InvalidRequest(
                    "This server has no webhook secret, so it sends no webhooks.",
                    code="webhooks_are_off", param="webhook_url",
                )  # fmt: skip
            await self._check_address(request.webhook_url, "webhook_url")

    async def _check_address(self, url: str, param: str) -> None:
        try:
            await self.web.check(url)
        except (ForbiddenAddress, Unreachable) as error:
            error.param = param
            raise

    async def check_capacity(self, owner: str, key: str) -> None:
        """Raises Overloaded when too many jobs wait, unless the request is a repetition."""
        backlog = await self.records.store.backlog()
        if backlog.waiting < self.records.policy.max_waiting:
            return
        query = JobQuery(owner, limit=1, key=_digest(key.encode()))
        if key and await self.records.store.list(query):
            return
        cost = self.registry.cost("")
        work_s = cost.request(backlog.audio_s) if cost else 0.0
        each = work_s / max(1, backlog.running) / (backlog.waiting + backlog.running)
        raise Overloaded(
            "Too many jobs wait. Try again later.",
            retry_after_s=min(_LONGEST_RETRY_S, max(5.0, each)),
        )

    async def _store_recording(
        self, job_id: str, source: AudioSource | None, request: JobRequest, now: float
    ) -> tuple[Recording, str]:
        """Store the recording, if it can be decoded."""
        until = now + self.records.policy.audio_ttl_s
        if source is None:
            return Recording("", 0, until), ""
        duration_s = await self.preparer.probe(source, request.options.track)
        name = f"{job_id}.audio"
        written = await self.blobs.write(name, _chunks(source.stream), self.rules.max_bytes)
        return Recording(name, written.size_bytes, until, duration_s), written.digest

    async def _enqueue(self, job: Job) -> Job:
        """Queue the job; when the queue is unavailable, the reconciler does it later."""
        try:
            await self.queue.put(job.id, job.request.priority)
        except Unavailable as error:
            log.warning("the queue is unavailable; the job waits in its record: %s", error.message)
            return job
        now = self.records.clock()
        return await self.records.change(job.id, partial(lifecycle.queued, now=now)) or job

    async def _delete_blob(self, name: str) -> None:
        """Delete a blob; the reconciler finds what can't be deleted now."""
        try:
            if name:
                await self.blobs.delete(name)
        except (Unavailable, MissingBlob) as error:
            log.warning("a blob could not be deleted yet: %s", error.message)


def _check_readable(job: Job) -> None:
    if job.unreadable:
        raise CannotDecrypt(job.unreadable)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _fingerprint(request: JobRequest, digest: str) -> str:
    parts = (
        request.url,
        request.webhook_url,
        str(int(request.priority)),
        str(request.store),
        digest,
    )
    return _digest(dump_options(request.options) + "\0".join(parts).encode())


async def _chunks(stream: BinaryIO) -> AsyncIterator[bytes]:
    stream.seek(0)
    while data := await asyncio.to_thread(stream.read, _CHUNK_BYTES):
        yield data


async def _read(blobs: BlobStore, name: str) -> bytes:
    with await blobs.open(name) as stream:
        return await asyncio.to_thread(stream.read)
