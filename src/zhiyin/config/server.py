"""Settings of the HTTP server, and of audio input."""

from __future__ import annotations

from pydantic import Field

from zhiyin.config.base import Group


class ServerSettings(Group):
    """The HTTP server."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(8000, ge=0, le=65535, description="Port; 0 takes a free one.")
    max_upload_mb: float = Field(200, gt=0, le=10_000, description="Largest upload, in MiB.")
    max_uploads: int = Field(
        64, ge=1, le=10_000, description="Concurrent uploads and recognitions; more get 429."
    )
    request_timeout_s: float = Field(
        1800, gt=0, le=86_400, description="Longest time for one recognition; then 504."
    )
    stall_s: float = Field(
        60,
        ge=1,
        le=3600,
        description="A client that reads nothing for so long is disconnected (Linux).",
    )
    shutdown_s: float = Field(
        20, ge=0, le=600, description="How long running requests may finish at shutdown."
    )


class AudioSettings(Group):
    """Limits of recordings, and their segmentation."""

    max_seconds: float = Field(
        7200, gt=0, le=360_000, description="Longest recording, in seconds of audio."
    )
    workers: int = Field(
        2,
        ge=1,
        le=64,
        description="Recordings that are decoded at the same moment; they take turns.",
    )
    decoder_processes: int = Field(
        200,
        ge=0,
        le=10_000,
        description="Recordings and live containers (webm, ogg) that are open for decoding, each "
        "in a process of its own; more get 429. 0 decodes in the server's own process, which a "
        "hostile recording can then crash. Not on Windows.",
    )
    decoder_memory_mb: int = Field(
        512, ge=256, le=65_536, description="Memory of a decoder process, in MiB (Linux)."
    )
    decoder_cpu_s: int = Field(
        600, ge=1, le=86_400, description="Processor time of a decoder process, in seconds."
    )
    decoder_stall_s: float = Field(
        30,
        ge=1,
        le=3600,
        description="A decoder process that gives nothing for so long is killed; its recording "
        "counts as unreadable.",
    )
    max_piece_s: float = Field(
        28, ge=5, le=30, description="Longest piece that is decoded at once."
    )
    piece_s: float = Field(
        14,
        ge=4,
        le=28,
        description="A piece this long ends at the next pause; shorter ones are faster.",
    )
    split_gap_s: float = Field(
        2, ge=0.3, le=10, description="A silence of this length separates two pieces."
    )
