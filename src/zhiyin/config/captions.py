"""Settings of caption rooms."""

from __future__ import annotations

from pydantic import Field, SecretStr

from zhiyin.config.base import Group


class CaptionSettings(Group):
    """Caption rooms: one speaker, many viewers."""

    max_rooms: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Rooms with captions at once; as many more may wait for a speaker.",
    )
    max_viewers: int = Field(1000, ge=1, le=100_000, description="Viewers of one room.")
    history: int = Field(500, ge=1, le=10_000, description="Captions kept per room.")
    history_s: float = Field(
        3600, gt=0, le=864_000, description="Captions of a room expire so long after the last."
    )
    url: str = Field(
        "memory://",
        pattern=r"^(memory|rediss?|unix)://",
        description="Where rooms are kept: memory://, or redis://host:port/db for several servers.",
    )
    timeout_s: float = Field(
        2, ge=0.1, le=60, description="Longest wait for Redis; then rooms go on locally."
    )
    lease_s: float = Field(
        15,
        ge=1,
        le=600,
        description="The lease of a speaker whose server died expires after so long.",
    )
    waiting: int = Field(
        200, ge=10, le=10_000, description="Captions that may wait for a slow viewer."
    )
    stall_s: float = Field(
        20, ge=1, le=3600, description="A viewer that reads nothing for so long is disconnected."
    )
    publish_token: SecretStr = Field(
        SecretStr(""), description="Token required of speakers; empty: none."
    )
    view_token: SecretStr = Field(
        SecretStr(""), description="Token required of viewers; empty: none."
    )
