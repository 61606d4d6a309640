"""Job worker: leases jobs from the queue and transcribes them in the lowest lane.

A job is leased in its record, then its delivery is acknowledged: from there on the lease brings it
back when this process dies, and no queue waits for long recordings. What a worker writes
counts only while it holds the lease, so that a run ends once.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from zhiyin.core.history.writer import HistoryWriter
from zhiyin.core.jobs import lifecycle
from zhiyin.core.jobs.failure_policy import Disposition, disposition_of
from zhiyin.core.jobs.host_slots import HostSlots
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.jobs.storage import Storage
from zhiyin.core.recognition.result_cache import CachePolicy
from zhiyin.core.recognition.transcriber import Transcriber
from zhiyin.core.scheduling.batching import Lane
from zhiyin.core.tasks import cancel_all
from zhiyin.domain.backoff import backoff_s
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import AsrError, EngineFailed, MissingBlob, Unavailable
from zhiyin.domain.events import Finished, Progress
from zhiyin.domain.job import Failure, Job, JobState
from zhiyin.domain.source import AudioSource
from zhiyin.domain.transcript import Transcript
from zhiyin.domain.transcript_codec import dump_transcript
from zhiyin.ports.blobs import BlobStore
from zhiyin.ports.queue import Delivery, JobQueue
from zhiyin.ports.web import Web

T = TypeVar("T")
log = logging.getLogger(__name__)

_TAKE_S = 5.0
_TICK_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_INTERNAL_ERROR = "Something went wrong inside the service."


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """Bytes of a recording that is fetched or of a result; seconds for one attempt."""

    max_bytes: int
    timeout_s: float


@dataclass(slots=True)
class _Attempt:
    """A running job: `token` of its lease, seconds of audio done."""

    job: Job
    token: str
    processed_s: float = 0.0


@dataclass(slots=True)
class Worker:
    """Worker loop; run several for concurrent jobs. `ended` is called after every attempt.

    Transcripts go to the `history_writer` as well, unless the client opts out. Recordings are
    downloaded in tasks beside the loops (`fetches`), as far as there are `slots`: a slow address
    keeps no worker from its work.
    """

    transcriber: Transcriber
    records: JobRecords
    queue: JobQueue
    blobs: BlobStore
    web: Web
    limits: WorkLimits
    history_writer: HistoryWriter
    ended: Callable[[], None]
    slots: HostSlots
    storage: Storage
    fetches: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Work until cancelled; the running job is then released."""
        failures = 0
        while True:
            try:
                await self._run_next()
                failures = 0
                continue
            except Unavailable as error:
                log.warning("no job can be taken now: %s", error.message)
            except Exception as error:  # the worker loop: the next job may be better
                log.error("a worker failed: %s", type(error).__name__, exc_info=error)
            failures += 1
            await asyncio.sleep(backoff_s(failures, _FIRST_PAUSE_S, _LONGEST_PAUSE_S))

    async def _run_next(self) -> None:
        delivery = await self.queue.take(_TAKE_S)
        if delivery is None:
            return
        token = secrets.token_hex(16)
        job = await self._take(delivery, token)
        if job is None:
            return
        if job.lease is None:
            log.error("a job can't be decrypted and has failed")
            self.ended()
        elif job.request.url and not job.recording.blob:
            await self._begin_fetch(_Attempt(job, token))
        else:
            attempt = _Attempt(job, token)
            await self._work(attempt, self._transcribe(attempt))

    async def close(self) -> None:
        """Stop downloads; their jobs are released."""
        await cancel_all(self.fetches)

    async def _begin_fetch(self, attempt: _Attempt) -> None:
        """Download the recording beside this loop, or release the job for a while."""
        wait_s = self.slots.take(attempt.job.request.url)
        if wait_s:
            await asyncio.shield(self._release(attempt, wait_s))
            return
        task = asyncio.create_task(self._work_on_fetch(attempt))
        self.fetches.add(task)
        task.add_done_callback(self.fetches.discard)

    async def _work_on_fetch(self, attempt: _Attempt) -> None:
        began = time.monotonic()
        try:
            await self._work(attempt, self._fetch(attempt))
        except Unavailable as error:  # the lease expires
            log.warning("the outcome of a download could not be stored: %s", error.message)
        finally:
            self.slots.release(attempt.job.request.url, time.monotonic() - began)

    async def _take(self, delivery: Delivery, token: str) -> Job | None:
        """Lease the job. When cancelled, finish that and release it: no attempt is lost."""
        leasing = asyncio.create_task(self._lease(delivery, token))
        try:
            return await asyncio.shield(leasing)
        except asyncio.CancelledError:
            await asyncio.wait({leasing})
            job = None if leasing.exception() else leasing.result()
            if job is not None and job.lease is not None:
                await asyncio.shield(self._release(_Attempt(job, token), 0.0))
            raise

    async def _lease(self, delivery: Delivery, token: str) -> Job | None:
        """The job, leased or failed; None when another worker has it or it has ended."""
        step = partial(
            lifecycle.leased, token=token, now=self.records.clock(), policy=self.records.policy
        )
        try:
            job = await self.records.change(delivery.job_id, step)
        except Unavailable:
            with suppress(Unavailable):
                await self.queue.give_back(delivery)
            raise
        try:
            await self.queue.ack(delivery)
        except Unavailable as error:  # it comes again, and finds the job leased
            log.warning("a delivery could not be acknowledged: %s", error.message)
        return job

    async def _work(
        self, attempt: _Attempt, work: Coroutine[None, None, Transcript | None]
    ) -> None:
        """Do it while the lease lasts, and store how it ended."""
        working = asyncio.create_task(work)
        renewing = asyncio.create_task(self._renew_lease(attempt))
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await self._store_outcome(attempt, working)
            else:
                log.info("a worker's job was cancelled or deleted, or its lease has expired")
        except asyncio.CancelledError:
            await cancel_all([working])
            await asyncio.shield(self._release(attempt, 0.0))
            raise
        finally:
            await cancel_all([working, renewing])

    async def _transcribe(self, attempt: _Attempt) -> Transcript:
        recording = attempt.job.recording
        if not recording.blob:
            raise MissingBlob("The recording is not kept any more.")
        with await self.blobs.open(attempt.job.blob(recording.blob)) as stream:
            source = AudioSource(stream, recording.size_bytes)
            options, limit_s = attempt.job.request.options, self.limits.timeout_s
            run = self.transcriber.stream(
                source, options, _caller(attempt.job), lane=Lane.JOB, timeout_s=limit_s,
                recall=CachePolicy(),
            )  # fmt: skip
            async with aclosing(run):
                async for event in run:
                    if isinstance(event, Finished):
                        return event.transcript
                    if isinstance(event, Progress):
                        await self._progress(attempt, event)
        raise AssertionError("a run ends with Finished or an error")

    async def _progress(self, attempt: _Attempt, event: Progress) -> None:
        attempt.processed_s = event.processed
        if event.processed == 0.0 and attempt.job.recording.duration_s is None:
            step = partial(lifecycle.measured, token=attempt.token, duration_s=event.duration)
            with suppress(Unavailable):
                await self.records.change(attempt.job.id, step)

    async def _fetch(self, attempt: _Attempt) -> None:
        """Download the recording from the client's URL, and queue the job again."""
        job = attempt.job
        name = f"{job.id}.audio"
        url, max_bytes = job.request.url, self.limits.max_bytes
        async with (
            aclosing(self.web.fetch(url, max_bytes)) as chunks,
            aclosing(self.storage.bounded(chunks)) as bounded,
        ):
            written = await self.blobs.write(name, bounded, max_bytes)
        step = partial(
            lifecycle.fetched, token=attempt.token, blob=name, size_bytes=written.size_bytes,
            now=self.records.clock(),
        )  # fmt: skip
        if await self.records.change(job.id, step) is None:
            stored = await self.records.store.get(job.id)
            if stored is None or stored.state.ended:  # else it stays as an orphan
                await self.blobs.delete(name)

    async def _renew_lease(self, attempt: _Attempt) -> None:
        """Renew the lease with the progress; return once the lease is lost."""
        policy, clock = self.records.policy, self.records.clock
        renewed, reported_s = clock(), 0.0
        while clock() < renewed + policy.lease_s:
            await asyncio.sleep(min(_TICK_S, policy.lease_s / 6))
            now = clock()
            try:
                job = await self.records.store.get(attempt.job.id)
                if job is None or job.lease is None or job.lease.token != attempt.token:
                    return
                if attempt.processed_s != reported_s or now > renewed + policy.lease_s / 3:
                    reported_s = attempt.processed_s
                    step = partial(
                        lifecycle.lease_renewed, token=attempt.token, now=now,
                        processed_s=reported_s, policy=policy,
                    )  # fmt: skip
                    if await self.records.change(job.id, step) is None:
                        return
                    renewed = now
            except Unavailable as error:
                log.warning("a lease could not be renewed: %s", error.message)

    async def _store_outcome(
        self, attempt: _Attempt, working: asyncio.Task[Transcript | None]
    ) -> None:
        """Store how the attempt ended; a download has done so itself."""
        try:
            transcript = working.result()
            if transcript is not None:
                await self._done(attempt, transcript)
        except AsrError as error:
            await self._failed(attempt, error)
        except Exception as error:  # the worker loop: a fault of ours must not lose the job
            log.error(
                "an attempt failed with an internal error: %s", type(error).__name__, exc_info=error
            )
            await self._failed(attempt, EngineFailed(_INTERNAL_ERROR, code="internal_error"))
        self.ended()

    async def _done(self, attempt: _Attempt, transcript: Transcript) -> None:
        job, now = attempt.job, self.records.clock()
        name = f"{job.id}.{job.run}-{job.attempts}.result"
        data = dump_transcript(transcript)
        await self.blobs.write(name, _single_chunk(data), max(len(data), self.limits.max_bytes))
        step = partial(
            lifecycle.done, token=attempt.token, result=name, duration_s=transcript.duration,
            now=now, policy=self.records.policy,
        )  # fmt: skip
        if await self._until_stored(lambda: self.records.change(job.id, step)) is None:
            # Another worker's job by now; or the first write was stored, and only its answer lost.
            stored = await self.records.store.get(job.id)
            if stored is None or stored.result != name:
                await self.blobs.delete(name)
                return
        self.history_writer.record(_caller(job), transcript, now - job.created_at)

    async def _failed(self, attempt: _Attempt, error: AsrError) -> None:
        job, policy, now = attempt.job, self.records.policy, self.records.clock()
        disposition = disposition_of(error)
        if disposition is Disposition.DEFER:
            pause_s = min(_LONGEST_PAUSE_S, error.retry_after_s or policy.retry_s)
            await self._release(attempt, pause_s)
            await asyncio.sleep(pause_s)
            return
        failure = Failure(error.code, error.message)
        step = lifecycle.failed if disposition is Disposition.FAIL else lifecycle.attempt_failed
        change = partial(step, token=attempt.token, failure=failure, now=now, policy=policy)
        ended = await self._until_stored(lambda: self.records.change(job.id, change))
        if (
            ended is not None
            and ended.state is JobState.FAILED
            and disposition is Disposition.RETRY
        ):
            with suppress(Unavailable):
                await self.queue.dead_letter(job.id, failure.code)

    async def _release(self, attempt: _Attempt, pause_s: float) -> None:
        """Release the job for other workers; when that can't be stored, the lease expires."""
        now = self.records.clock()
        step = partial(lifecycle.released, token=attempt.token, now=now, pause_s=pause_s)
        with suppress(Unavailable):
            await self.records.change(attempt.job.id, step)
        self.ended()

    async def _until_stored(self, write: Callable[[], Awaitable[T]]) -> T:
        """Retry while the database is unavailable, for as long as the lease may last."""
        end = self.records.clock() + self.records.policy.lease_s
        while True:
            try:
                return await write()
            except Unavailable:
                if self.records.clock() > end:
                    raise
                await asyncio.sleep(_TICK_S)


async def _single_chunk(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _caller(job: Job) -> Caller:
    """The caller that submitted the job."""
    return Caller(job.owner, job.id, "jobs", store=job.request.store)
