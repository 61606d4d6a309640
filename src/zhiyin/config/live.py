"""Settings of live sessions."""

from __future__ import annotations

from pydantic import Field

from zhiyin.config.base import Group


class LiveSettings(Group):
    """Live sessions."""

    max_sessions: int = Field(64, ge=1, le=10_000, description="Concurrent live sessions.")
    workers: int = Field(
        2, ge=1, le=64, description="Sessions whose sound is decoded at the same moment."
    )
    max_seconds: float = Field(
        14_400, gt=0, le=360_000, description="Longest session, in seconds of audio."
    )
    idle_s: float = Field(
        60, ge=1, le=3600, description="A connection that sends nothing for so long is closed."
    )
    max_idle_s: float = Field(
        3600,
        ge=1,
        le=86_400,
        description="Longest time without sound that pings keep a connection open.",
    )
    grace_s: float = Field(
        30,
        ge=0,
        le=3600,
        description="How long a disconnected session waits for its client to resume.",
    )
    max_message_kb: int = Field(
        1024, ge=16, le=65_536, description="Largest WebSocket message, in KiB."
    )
    max_events: int = Field(
        1000,
        ge=10,
        le=100_000,
        description="Events that may wait for a client; more fail the session.",
    )
    no_sound_s: float = Field(
        1.5,
        ge=0.5,
        le=3600,
        description="A segment ends, too, when its client has sent no sound for so long.",
    )
    silence_s: float = Field(
        0.5, ge=0.1, le=5, description="A silence of this length ends a segment, by default."
    )
