"""Settings of asynchronous jobs."""

from __future__ import annotations

from pydantic import Field, SecretStr

from zhiyin.config.base import Group


class JobSettings(Group):
    """Asynchronous jobs."""

    workers: int = Field(
        1, ge=0, le=64, description="Concurrent jobs in `zhiyin serve`; 0 leaves them to workers."
    )
    database: SecretStr = Field(
        SecretStr(""),
        description="mysql+asyncmy://USER:PASSWORD@HOST/NAME; empty: SQLite.",
    )
    queue: str = Field(
        "local://", description="local:// (in the database) or kafka://HOST:PORT[,...][/PREFIX]."
    )
    queue_user: str = Field("", description="Kafka user (SCRAM-SHA-512); empty: none.")
    queue_password: SecretStr = Field(SecretStr(""), description="Its password.")
    queue_tls: bool = Field(False, description="Whether Kafka is reached by TLS.")
    queue_partitions: int = Field(
        6, ge=1, le=1000, description="Kafka partitions of each priority, when they are made."
    )
    queue_replicas: int = Field(1, ge=1, le=10, description="Copies Kafka keeps of each.")
    redeliver_s: float = Field(
        300,
        ge=2,
        le=86_400,
        description="A job that waits so long in an idle queue is queued again.",
    )
    blobs: str = Field(
        "",
        description="Folder of recordings and transcripts, or s3://BUCKET[/PREFIX], shared by "
        "all servers and workers; empty: in data_dir.",
    )
    blobs_endpoint: str = Field("", description="s3://: address of the service; empty: Amazon's.")
    blobs_region: str = Field("", description="s3://: its region.")
    blobs_key: str = Field(
        "", description="s3://: access key id; empty: from the environment, as other S3 tools do."
    )
    blobs_secret: SecretStr = Field(SecretStr(""), description="s3://: secret access key.")
    blobs_timeout_s: float = Field(
        30, gt=0, le=600, description="s3://: a slower request is retried."
    )
    max_waiting: int = Field(1000, ge=1, le=1_000_000, description="Queued jobs; more get 429.")
    max_attempts: int = Field(5, ge=1, le=100, description="A job fails for good after so many.")
    lease_s: float = Field(
        60,
        ge=2,
        le=3600,
        description="A worker that does not renew its lease for so long loses its job.",
    )
    timeout_s: float = Field(21_600, gt=0, le=604_800, description="Longest time for one attempt.")
    audio_ttl_s: float = Field(
        86_400, gt=0, le=31_536_000, description="A job's recording is deleted after that time."
    )
    cancelled_ttl_s: float = Field(
        600, ge=0, le=31_536_000, description="That of a cancelled job, after that time at most."
    )
    max_stored_mb: float = Field(
        51_200,
        ge=0,
        description="MiB of recordings that are kept; more get 507. 0: no limit.",
    )
    min_free_mb: float = Field(
        512, ge=0, description="MiB of the disk that recordings leave free; else 507."
    )
    keep_s: float = Field(
        604_800, gt=0, le=31_536_000, description="How long ended jobs and transcripts are kept."
    )
    allow_urls: bool = Field(False, description="Whether jobs may name a URL to fetch from.")
    fetch_s: float = Field(600, gt=0, le=86_400, description="Longest time to fetch a recording.")
    networks: list[str] = Field(
        [], description="Private networks (CIDR) that URLs and webhooks may reach."
    )
    webhook_secret: SecretStr = Field(
        SecretStr(""), description="Signs webhooks: whsec_ and base64; empty: no webhooks."
    )
    webhook_attempts: int = Field(8, ge=1, le=30, description="Tries to deliver a webhook.")
    max_fetches: int = Field(
        16, ge=1, le=1000, description="Concurrent downloads of a process; others wait."
    )
    max_webhooks: int = Field(
        16, ge=1, le=1000, description="Concurrent webhooks of a process; others wait."
    )
    max_per_host: int = Field(
        4, ge=1, le=1000, description="Concurrent webhooks to one host; downloads from it, too."
    )
    webhook_s: float = Field(10, gt=0, le=60, description="Longest time for one try.")
    max_watchers: int = Field(
        200, ge=1, le=100_000, description="Concurrent clients that follow job events."
    )
