"""All settings. Order: command-line flag > environment > zhiyin.toml > default.

Environment names are `ZHIYIN_` plus the path with two underscores between the parts, such as
`ZHIYIN_SERVER__PORT=9000`. Unknown keys stop the start. Read once, in the command line, and
handed to `wiring.build`; nothing else reads settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from zhiyin.config_kept import (
    CacheSettings,
    EncryptionSettings,
    Group,
    HistorySettings,
    JobSettings,
)
from zhiyin.domain.errors import ConfigError

PREFIX = "ZHIYIN_"
FILE_VARIABLE = "ZHIYIN_CONFIG"
DEFAULT_FILE = "zhiyin.toml"


ComputeType = Literal[
    "auto", "int8", "int8_float16", "int8_float32", "int8_bfloat16", "int16", "float16",
    "bfloat16", "float32",
]  # fmt: skip


class ServerSettings(Group):
    """The HTTP server."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(8000, ge=0, le=65535, description="Port; 0 takes a free one.")
    max_upload_mb: float = Field(200, gt=0, le=10_000, description="Largest upload, in MiB.")
    max_uploads: int = Field(
        64, ge=1, le=10_000, description="Uploads and recognitions at once; more get 429."
    )
    request_timeout_s: float = Field(
        1800, gt=0, le=86_400, description="Longest time for one recognition; then 504."
    )
    stall_s: float = Field(
        60, ge=1, le=3600, description="A client that takes no data for so long is cut off (Linux)."
    )
    shutdown_s: float = Field(
        20, ge=0, le=600, description="How long running requests may finish at shutdown."
    )


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
        2, ge=1, le=64, description="Models in memory at once; the longest idle one goes first."
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
        0, ge=0, le=64, description="Recognitions side by side on a CPU; 0 chooses by measurement."
    )


class AudioSettings(Group):
    """What is accepted as a recording, and how it is cut."""

    max_seconds: float = Field(
        7200, gt=0, le=360_000, description="Longest recording, in seconds of audio."
    )
    workers: int = Field(2, ge=1, le=64, description="Threads that decode files.")
    max_piece_s: float = Field(
        28, ge=5, le=30, description="Longest stretch that is recognized at once."
    )
    piece_s: float = Field(
        14,
        ge=4,
        le=28,
        description="A stretch this long ends at the next pause; shorter ones are quicker.",
    )
    split_gap_s: float = Field(
        2, ge=0.3, le=10, description="A silence of this length separates two stretches."
    )


class SchedulerSettings(Group):
    """The queue in front of each model."""

    max_requests: int = Field(64, ge=1, le=10_000, description="Requests admitted at once.")
    max_backlog_s: float = Field(
        600, gt=0, le=86_400, description="Predicted engine seconds admitted at once."
    )
    stuck_s: float = Field(
        120, ge=10, le=3600, description="An engine call longer than this restarts the engine."
    )


class LiveSettings(Group):
    """Speech that is recognized while it is spoken."""

    max_sessions: int = Field(64, ge=1, le=10_000, description="Live sessions at once.")
    max_seconds: float = Field(
        14_400, gt=0, le=360_000, description="Longest session, in seconds of audio."
    )
    idle_s: float = Field(
        60, ge=1, le=3600, description="A connection that sends nothing for so long is closed."
    )
    grace_s: float = Field(
        30, ge=0, le=3600, description="How long a broken session waits for its client."
    )
    max_message_kb: int = Field(
        1024, ge=16, le=65_536, description="Largest WebSocket message, in KiB."
    )
    max_events: int = Field(
        1000, ge=10, le=100_000, description="Events that wait for a client; then it is too slow."
    )
    silence_s: float = Field(
        0.5, ge=0.1, le=5, description="A silence of this length ends a segment, by default."
    )


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


class LogSettings(Group):
    """Logs go to standard error and never hold text, audio, file names or keys."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level.")
    format: Literal["console", "json"] = Field("console", description="For people or programs.")


def _default_data_dir() -> Path:
    return user_data_path("zhiyin")


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True,
        validate_default=True,
    )  # fmt: skip

    data_dir: Annotated[
        Path, Field(default_factory=_default_data_dir, description="Models and everything kept.")
    ]
    server: ServerSettings = ServerSettings()
    models: ModelSettings = ModelSettings()
    engine: EngineSettings = EngineSettings()
    audio: AudioSettings = AudioSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    live: LiveSettings = LiveSettings()
    captions: CaptionSettings = CaptionSettings()
    jobs: JobSettings = JobSettings()
    history: HistorySettings = HistorySettings()
    encryption: EncryptionSettings = EncryptionSettings()
    cache: CacheSettings = CacheSettings()
    log: LogSettings = LogSettings()

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flag > environment > file > default."""
        path = settings_file()
        file = (TomlConfigSettingsSource(settings_cls, path),) if path else ()
        return (init_settings, env_settings, *file)


def settings_file() -> Path | None:
    """The configuration file in force: `$ZHIYIN_CONFIG`, else ./zhiyin.toml when it exists."""
    named = os.environ.get(FILE_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise ConfigError(f"The configuration file {named} (from {FILE_VARIABLE}) is missing.")
        return Path(named)
    default = Path(DEFAULT_FILE)
    return default if default.is_file() else None


def load(**flags: Any) -> Settings:
    """Settings from all sources; `flags` win, a flag that is None was not given.

    Raises ConfigError that names every bad key.
    """
    problems = [f"{PREFIX}{name}: unknown setting" for name in _unknown_variables()]
    try:
        settings = Settings(**{k: v for k, v in flags.items() if v is not None})
    except ValidationError as error:
        problems += [_explain(item) for item in error.errors()]
    except ValueError as error:  # a file that is no TOML, a list or table that is no JSON
        problems.append(str(error))
    if problems:
        raise ConfigError("The configuration is wrong:\n  " + "\n  ".join(problems))
    return settings


def _explain(item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"])
    message = "unknown setting" if item["type"] == "extra_forbidden" else item["msg"]
    return f"{path}: {message}"


def _unknown_variables() -> Iterator[str]:
    """Environment variables with our prefix that mean nothing; pydantic passes over them."""
    for variable in sorted(os.environ):
        if not variable.startswith(PREFIX) or variable == FILE_VARIABLE:
            continue
        first, _, rest = variable.removeprefix(PREFIX).lower().partition("__")
        field = Settings.model_fields.get(first)
        group = field.annotation if field is not None else None
        if field is None or (rest and not _has(group, rest.split("__")[0])):
            yield variable.removeprefix(PREFIX)


def _has(group: Any, name: str) -> bool:
    return isinstance(group, type) and issubclass(group, BaseModel) and name in group.model_fields
