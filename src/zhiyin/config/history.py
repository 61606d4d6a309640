"""Settings of the history of transcripts, and of encryption."""

from __future__ import annotations

from pydantic import Field, SecretStr

from zhiyin.config.base import Group


class HistorySettings(Group):
    """Transcript history: listed, searched, exported."""

    enabled: bool = Field(True, description="Whether transcripts are kept.")
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
        600, ge=1, le=86_400, description="How often expired transcripts are deleted."
    )
    max_waiting: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="Transcripts that may wait for an unreachable database; more are dropped.",
    )


class EncryptionSettings(Group):
    """Encryption at rest (AES-256-GCM) of all stored data, as soon as there is a key."""

    keys: SecretStr = Field(
        SecretStr(""),
        description="Keys as ID:BASE64, separated by commas; the first encrypts, all decrypt.",
    )
    keys_file: str = Field("", description="A file with such keys, one a line, instead.")
