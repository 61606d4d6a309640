"""Settings. Order: command-line flag > environment > zhiyin.toml > default.

Environment names are `ZHIYIN_` plus the path with two underscores between the parts, such as
`ZHIYIN_SERVER__PORT=9000`. Unknown keys stop the start. Read once, in the command line, and
handed to `wiring.build`; nothing else reads settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from platformdirs import user_data_path
from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from zhiyin.config.cache import CacheSettings
from zhiyin.config.captions import CaptionSettings
from zhiyin.config.engines import EngineSettings, ModelSettings, SchedulerSettings
from zhiyin.config.history import EncryptionSettings, HistorySettings
from zhiyin.config.jobs import JobSettings
from zhiyin.config.live import LiveSettings
from zhiyin.config.log import LogSettings
from zhiyin.config.server import AudioSettings, ServerSettings
from zhiyin.config.text import TextSettings
from zhiyin.domain.errors import ConfigError

PREFIX = "ZHIYIN_"
FILE_VARIABLE = "ZHIYIN_CONFIG"
DEFAULT_FILE = "zhiyin.toml"


def _default_data_dir() -> Path:
    return user_data_path("zhiyin")


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True,
        validate_default=True,
    )  # fmt: skip

    data_dir: Annotated[
        Path,
        Field(default_factory=_default_data_dir, description="Folder of models and stored data."),
    ]
    server: ServerSettings = ServerSettings()
    models: ModelSettings = ModelSettings()
    engine: EngineSettings = EngineSettings()
    audio: AudioSettings = AudioSettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    live: LiveSettings = LiveSettings()
    captions: CaptionSettings = CaptionSettings()
    jobs: JobSettings = JobSettings()
    text: TextSettings = TextSettings()
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
    except ValueError as error:  # a file that is not TOML, a list or table that is not JSON
        problems.append(str(error))
    if problems:
        raise ConfigError("The configuration is wrong:\n  " + "\n  ".join(problems))
    return settings


def _explain(item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"])
    message = "unknown setting" if item["type"] == "extra_forbidden" else item["msg"]
    return f"{path}: {message}"


def _unknown_variables() -> Iterator[str]:
    """Environment variables with our prefix that match no setting; pydantic ignores them."""
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
