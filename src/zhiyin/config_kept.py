"""Settings of jobs and of what is kept; a part of `config`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

_CACHES = ("memory", "redis", "rediss", "unix", "off")


class Group(BaseModel):
    """A table of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class JobSettings(Group):
    """Recognition that is asked for now and done later."""

    workers: int = Field(
        1, ge=0, le=64, description="Jobs at once in `zhiyin serve`; 0 leaves them to workers."
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
        300, ge=2, le=86_400, description="A job that waits so long in an idle queue is put again."
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
        30, gt=0, le=600, description="s3://: a request that takes longer is tried again."
    )
    max_waiting: int = Field(1000, ge=1, le=1_000_000, description="Jobs in line; more get 429.")
    max_attempts: int = Field(5, ge=1, le=100, description="A job fails for good after so many.")
    lease_s: float = Field(
        60, ge=2, le=3600, description="A worker that is silent for so long has lost its job."
    )
    timeout_s: float = Field(21_600, gt=0, le=604_800, description="Longest time for one attempt.")
    audio_ttl_s: float = Field(
        86_400, gt=0, le=31_536_000, description="A job's recording is deleted after that time."
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
    webhook_s: float = Field(10, gt=0, le=60, description="Longest time for one try.")
    max_watchers: int = Field(
        200, ge=1, le=100_000, description="Clients that follow a job's events at once."
    )


class HistorySettings(Group):
    """Transcripts that are kept, to be listed, searched and exported."""

    enabled: bool = Field(True, description="Whether transcripts are kept at all.")
    url: SecretStr = Field(
        SecretStr(""),
        description="Database: mysql+asyncmy://USER:PASSWORD@HOST/NAME, or "
        "sqlite+aiosqlite:///FILE; empty: history.db in the data folder.",
    )
    connections: int = Field(5, ge=1, le=200, description="Connections to the database at once.")
    timeout_s: float = Field(
        10, gt=0, le=600, description="Longest time for a connection or a transaction."
    )
    retention_days: float = Field(
        30, ge=0, le=36_500, description="Transcripts are deleted after so long; 0 keeps them."
    )
    sweep_s: float = Field(
        600, ge=1, le=86_400, description="How often old transcripts are looked for."
    )
    max_waiting: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="Transcripts that may wait for a database that is away; more are dropped.",
    )


class EncryptionSettings(Group):
    """What is kept is encrypted (AES-256-GCM) as soon as there is a key."""

    keys: SecretStr = Field(
        SecretStr(""),
        description="Keys as ID:BASE64, separated by commas; the first encrypts, all decrypt.",
    )
    keys_file: str = Field("", description="A file with such keys, one a line, instead.")


class CacheSettings(Group):
    """Results of recordings that were recognized before; see docs/operations.md."""

    url: str = Field(
        "memory://", description="memory://, redis://HOST:PORT/NUMBER, rediss://, unix:// or off."
    )
    ttl_s: float = Field(3600, gt=0, le=2_592_000, description="How long a result is kept.")
    max_mb: float = Field(64, ge=1, le=65_536, description="memory://: MiB of results.")
    max_value_kb: int = Field(
        1024, ge=1, le=16_384, description="Largest result that is kept, compressed, in KiB."
    )
    timeout_ms: int = Field(
        250, ge=10, le=10_000, description="redis://: a server that takes longer counts as away."
    )

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        scheme, found, _ = value.partition("://")
        if scheme not in _CACHES or bool(found) == (scheme == "off"):
            raise ValueError("use memory://, redis://..., rediss://..., unix://... or off")
        return value
