"""Wiring of asynchronous jobs."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from zhiyin.config import Settings
from zhiyin.config.jobs import JobSettings
from zhiyin.core.history.writer import HistoryWriter
from zhiyin.core.jobs.delivery import WebhookDelivery
from zhiyin.core.jobs.host_slots import HostSlots
from zhiyin.core.jobs.reconciler import Reconciler
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.jobs.runtime import JobRuntime
from zhiyin.core.jobs.service import JobRules, JobService
from zhiyin.core.jobs.storage import Storage
from zhiyin.core.jobs.sweeping import JobSweeper
from zhiyin.core.jobs.webhooks import parse_secrets
from zhiyin.core.jobs.worker import Worker, WorkLimits
from zhiyin.core.recognition.transcriber import Transcriber
from zhiyin.domain.errors import ConfigError, MissingExtra
from zhiyin.domain.job import JobPolicy
from zhiyin.net.addresses import parse_networks
from zhiyin.net.web import GuardedWeb, WebLimits
from zhiyin.ops.observer_memory import MemoryObserver
from zhiyin.ports.blobs import BlobStore
from zhiyin.ports.cipher import KeyRing
from zhiyin.ports.queue import JobQueue
from zhiyin.store.blob_keys import BlobKeys
from zhiyin.store.blobs_folder import FolderBlobs
from zhiyin.store.blobs_sealed import SealedBlobs
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.jobs_sql.keys import JobKeys
from zhiyin.store.jobs_sql.queue import LocalQueue
from zhiyin.store.jobs_sql.store import SqlJobs
from zhiyin.store.sql.database import Database
from zhiyin.wiring.data_folder import data_folder

_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,100}")


def make_job_runtime(
    settings: Settings,
    ring: KeyRing,
    transcriber: Transcriber,
    history_writer: HistoryWriter,
    workers: int,
    observer: MemoryObserver,
) -> JobRuntime:
    """Everything for jobs; connects to nothing yet. Raises ConfigError or MissingExtra."""
    jobs = settings.jobs
    max_bytes = int(settings.server.max_upload_mb * (1 << 20))
    secrets = parse_secrets(jobs.webhook_secret.get_secret_value())
    database = make_database(settings)
    records = JobRecords(SqlJobs(database, ring), _policy(jobs))
    queue = _queue(jobs, database)
    blobs = SealedBlobs(_blobs(settings), BlobKeys(database, ring))
    networks = parse_networks(jobs.networks, "jobs.networks")
    web = GuardedWeb(WebLimits(jobs.fetch_s, jobs.webhook_s, networks))
    rules = JobRules(jobs.allow_urls, bool(secrets), max_bytes, jobs.max_watchers)
    storage = Storage(
        records.store, blobs, int(jobs.max_stored_mb * (1 << 20)), int(jobs.min_free_mb * (1 << 20))
    )
    service = JobService(
        transcriber.registry, transcriber.preparer, records, queue, blobs, web, rules, storage
    )
    delivery = WebhookDelivery(
        records, web, secrets, HostSlots(jobs.max_webhooks, jobs.max_per_host), observer
    )
    reconciler = Reconciler(records, queue, blobs, delivery, observer)
    limits = WorkLimits(max_bytes, jobs.timeout_s)
    worker = Worker(
        transcriber, records, queue, blobs, web, limits, history_writer, reconciler.wake,
        HostSlots(jobs.max_fetches, jobs.max_per_host), storage,
    )  # fmt: skip

    async def release() -> None:
        await queue.close()
        await web.close()
        await database.close()

    sweeper = JobSweeper(records, blobs, observer)
    counts = partial(observer.totals, "jobs")
    return JobRuntime(service, reconciler, sweeper, worker, workers, release, counts)


def make_database(settings: Settings) -> Database:
    """The database of jobs, unopened. Raises ConfigError, MissingExtra."""
    given = settings.jobs.database.get_secret_value()
    url = given or f"sqlite+aiosqlite:///{data_folder(settings) / 'jobs.sqlite3'}"
    return jobs_database(url)


def make_job_keys(settings: Settings, database: Database, ring: KeyRing) -> JobKeys:
    """Key rotation of jobs; `ring` opens what they have now."""
    return JobKeys(database, _blobs(settings), ring)


def _blobs(settings: Settings) -> BlobStore:
    chosen = settings.jobs.blobs
    if chosen.startswith("s3://"):
        return _bucket(settings.jobs)
    return FolderBlobs(Path(chosen) if chosen else data_folder(settings) / "blobs")


def _bucket(jobs: JobSettings) -> BlobStore:
    bucket, _, prefix = jobs.blobs.removeprefix("s3://").partition("/")
    if not bucket or jobs.blobs_endpoint.partition("://")[0] not in ("", "http", "https"):
        raise ConfigError("jobs.blobs: use s3://BUCKET[/PREFIX], and an http(s) endpoint if any.")
    try:
        from zhiyin.store.blobs_s3 import S3Address, S3Blobs
    except ImportError as error:
        raise MissingExtra("S3 needs: pip install 'zhiyin[s3]'") from error
    secret = jobs.blobs_secret.get_secret_value()
    return S3Blobs(
        S3Address(
            bucket, prefix, jobs.blobs_endpoint, jobs.blobs_region, jobs.blobs_key, secret,
            jobs.blobs_timeout_s,
        )
    )  # fmt: skip


def _policy(jobs: JobSettings) -> JobPolicy:
    return JobPolicy(
        lease_s=jobs.lease_s,
        max_attempts=jobs.max_attempts,
        redeliver_s=jobs.redeliver_s,
        audio_ttl_s=jobs.audio_ttl_s,
        cancelled_ttl_s=jobs.cancelled_ttl_s,
        keep_s=jobs.keep_s,
        webhook_attempts=jobs.webhook_attempts,
        webhook_timeout_s=jobs.webhook_s,
        max_waiting=jobs.max_waiting,
    )


def _queue(jobs: JobSettings, database: Database) -> JobQueue:
    if jobs.queue == "local://":
        return LocalQueue(database)
    address = urlsplit(jobs.queue)
    prefix = address.path.strip("/") or "zhiyin"
    if address.scheme != "kafka" or not address.netloc or not _PREFIX.fullmatch(prefix):
        raise ConfigError("jobs.queue: use local:// or kafka://HOST:PORT[,HOST:PORT][/PREFIX].")
    try:
        from zhiyin.store.queue_kafka import KafkaAddress, KafkaQueue
    except ImportError as error:
        raise MissingExtra(
            "Kafka needs a driver. Install it with: pip install 'zhiyin[kafka]'"
        ) from error
    servers = tuple(address.netloc.split(","))
    password = jobs.queue_password.get_secret_value()
    return KafkaQueue(
        KafkaAddress(
            servers, prefix, jobs.queue_partitions, jobs.queue_replicas, jobs.queue_tls,
            jobs.queue_user, password, jobs.keep_s,
        )
    )  # fmt: skip
