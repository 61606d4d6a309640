"""Settings of caption rooms."""

from __future__ import annotations

from pydantic import Field, SecretStr

from zhiyin.config.base import Group


class CaptionSettings(Group):
    """Caption rooms: one speaks, many read."""

    max_rooms: int = Field(100, ge=1, le=10_000, description="Rooms at once.")
    max_viewers: int = Field(1000, ge=1, le=100_000, description="Viewers of one room.")
    history: int = Field(500, ge=1, le=10_000, description="Captions kept per room.")
    history_s: float = Field(
        3600, gt=0, le=864_000, description="A room that is silent for so long is forgotten."
    )
    url: str = Field(
        "memory://",
        pattern=r"^(memory|rediss?|unix)://",
        description="Where rooms are kept: memory://, or redis://host:port/db for several servers.",
    )
    timeout_s: float = Field(
        2, ge=0.1, le=60, description="Longest wait for Redis; then rooms go on by themselves."
    )
    lease_s: float = Field(
        15, ge=1, le=600, description="A speaker whose server has died keeps the room so long."
    )
    waiting: int = Field(
        200, ge=10, le=10_000, description="Captions that may wait for a slow viewer."
    )
    stall_s: float = Field(
        20, ge=1, le=3600, description="A viewer that takes nothing for so long is closed."
    )
    publish_token: SecretStr = Field(
        SecretStr(""), description="What speakers must know; empty: nothing."
    )
    view_token: SecretStr = Field(
        SecretStr(""), description="What viewers must know; empty: nothing."
    )
