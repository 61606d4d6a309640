"""Settings of the HTTP server, and of audio input."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from zhiyin.config.base import Group

HostName = Annotated[
    str,
    StringConstraints(pattern=r"^(\*|[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?)$", to_lower=True),
]
OriginName = Annotated[
    str, StringConstraints(pattern=r"^(\*|[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#\s]+)$", to_lower=True)
]


class ServerSettings(Group):
    """The HTTP server."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(8000, ge=0, le=65535, description="Port; 0 takes a free one.")
    names: list[HostName] = Field(
        [],
        description="Host names of this server, beside its addresses, localhost and the machine's "
        "own name; requests for others get 421. '*' is any.",
    )
    origins: list[OriginName] = Field(
        [],
        description="Origins of other sites whose pages may use this server, such as "
        "https://app.example; '*' is any.",
    )
    max_upload_mb: float = Field(200, gt=0, le=10_000, description="Largest upload, in MiB.")
    max_uploads: int = Field(
        64, ge=1, le=10_000, description="Concurrent recognitions of uploads; more get 429."
    )
    max_arriving_mb: float = Field(
        8192,
        gt=0,
        le=10_000_000,
        description="Uploads on their way may have so many MiB on disk together; more get 429.",
    )
    body_idle_s: float = Field(
        30, ge=0.1, le=3600, description="Longest pause in the body of a request; then 408."
    )
    body_bytes_s: float = Field(
        1024,
        ge=1,
        le=1 << 30,
        description="Least rate of a body on average, in bytes a second; below it 408.",
    )
    head_timeout_s: float = Field(
        30, ge=0.1, le=3600, description="A request's head must be complete so long after its turn."
    )
    max_head_kb: int = Field(
        64, ge=8, le=1024, description="Largest head of a request (address and headers), in KiB."
    )
    max_connections: int = Field(
        4096, ge=10, le=1_000_000, description="Concurrent connections; more get 503."
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
