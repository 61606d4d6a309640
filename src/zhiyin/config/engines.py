"""Settings of models and engines, and of the queue in front of each."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from zhiyin.config.base import Group

ComputeType = Literal[
    "auto", "int8", "int8_float16", "int8_float32", "int8_bfloat16", "int16", "float16",
    "bfloat16", "float32",
]  # fmt: skip


class ModelSettings(Group):
    """Which models are offered."""

    default: str = Field("whisper-base", description="Model used when a request names none.")
    aliases: dict[str, str] = Field(
        default={
            "whisper-1": "whisper-base",
            "gpt-4o-transcribe": "whisper-base",
            "gpt-4o-mini-transcribe": "whisper-base",
            "gpt-transcribe": "whisper-base",
            "gpt-live-transcribe": "whisper-base",
            "gpt-realtime-whisper": "whisper-base",
        },
        description="Other names that clients may use, and the model each stands for.",
    )
    folders: dict[str, Path] = Field(
        default={}, description="Your own CTranslate2 Whisper models: name = folder."
    )
    max_loaded: int = Field(
        2, ge=1, le=64, description="Models in memory at once; the least recently used is unloaded."
    )


class EngineSettings(Group):
    """How models run."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where models run; auto takes a GPU when there is one."
    )
    compute_type: ComputeType = Field(
        "auto", description="Number format; auto is int8 on a CPU, float16 on a GPU."
    )
    threads: int = Field(
        0, ge=0, le=256, description="CPU threads per model, all replicas together; 0 means all."
    )
    replicas: int = Field(
        0, ge=0, le=64, description="Concurrent engine calls on a CPU; 0 chooses by measurement."
    )


class SchedulerSettings(Group):
    """The queue in front of each model."""

    max_requests: int = Field(64, ge=1, le=10_000, description="Requests admitted at once.")
    max_backlog_s: float = Field(
        600, gt=0, le=86_400, description="Predicted engine seconds in the way of a request."
    )
    stuck_s: float = Field(
        120,
        ge=1,
        le=3600,
        description="An engine call longer than this restarts the engine; the fourth in a row ends "
        "the process (exit code 70), so that its supervisor starts a clean one.",
    )
