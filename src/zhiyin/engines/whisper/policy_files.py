"""The committed numbers: which windows a model decodes in, from the file of its calibration.

An operator's file, written by `zhiyin calibrate`, wins over the one that comes with the package;
a model without either decodes everything in the full window.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from zhiyin.domain.errors import AsrError, ConfigError
from zhiyin.domain.languages import LANGUAGES
from zhiyin.engines.whisper.policy import FULL_WINDOW_S, DecodePolicy, ModelPolicy

PACKAGED = Path(__file__).parent / "calibrations"


class PolicyEntry(BaseModel):
    """What a calibration decides about a language, named as `DecodePolicy` has it.

    In the file `floor_s` and `tail_s` are called `floor` and `tail`, as they always were.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True
    )

    floor_s: float = Field(ge=1, le=FULL_WINDOW_S, alias="floor")
    tail_s: float = Field(ge=0, le=FULL_WINDOW_S, alias="tail")
    pad_audio: bool
    beam_size: int = Field(ge=1, le=10)
    doubt_logprob: float = Field(le=0)

    @staticmethod
    def of(policy: DecodePolicy) -> PolicyEntry:
        """The part of a policy that is calibrated."""
        return PolicyEntry(**{name: getattr(policy, name) for name in PolicyEntry.model_fields})

    def policy(self) -> DecodePolicy:
        """With the default for everything that is not calibrated."""
        return DecodePolicy(**self.model_dump())

    def row(self) -> dict[str, Any]:
        """As the file has it."""
        return self.model_dump(by_alias=True, exclude_none=True)


class CalibrationFile(BaseModel):
    """The file. `tolerance` is in points of the error rate; `measured` is for people to read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: str
    compute_type: str
    created: dt.date
    tolerance: float
    policies: Mapping[str, PolicyEntry]
    default: PolicyEntry | None = None
    unheard: PolicyEntry | None = None
    measured: Mapping[str, Any]

    @field_validator("policies")
    @classmethod
    def _known_languages(cls, policies: Mapping[str, PolicyEntry]) -> Mapping[str, PolicyEntry]:
        unknown = set(policies) - set(LANGUAGES)
        if unknown:
            raise ValueError(f"no language codes of Whisper: {', '.join(sorted(unknown))}")
        return policies

    def policy(self) -> ModelPolicy:
        """The policies; the full window where the file says nothing."""
        full = ModelPolicy()
        return ModelPolicy(
            default=self.default.policy() if self.default else full.default,
            languages={lang: entry.policy() for lang, entry in self.policies.items()},
            undetected=self.unheard.policy() if self.unheard else full.undetected,
        )


def load(model_id: str, operators: Path) -> ModelPolicy:
    """A model's policy; `operators` is the folder of calibrations made on this machine.

    Raises ConfigError, naming the file, when one is there but is not right.
    """
    for folder in (operators, PACKAGED):
        path = file_of(model_id, folder)
        if path.is_file():
            return _read(path).policy()
    return ModelPolicy()


def file_of(model_id: str, folder: Path) -> Path:
    """Where a folder has the calibration of a model."""
    return folder / f"{model_id}.json"


def reserve(path: Path) -> None:
    """Make the folder of a file that will be saved. Raises AsrError when that can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error.strerror) from error
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise _unwritable(path, "it is a folder, or lies in one that is read-only")


def save(path: Path, content: CalibrationFile) -> None:
    """Write the file in one step, so that no reader ever sees half of it. Raises AsrError."""
    reserve(path)
    text = content.model_dump_json(indent=2, exclude_none=True, by_alias=True)
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise _unwritable(path, error.strerror) from error


def _unwritable(path: Path, reason: str | None) -> AsrError:
    return AsrError(f"Can't write {path}: {reason}.", code="io_error")


def _read(path: Path) -> CalibrationFile:
    try:
        return CalibrationFile.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        found = error.errors()[0]
        where = ".".join(str(part) for part in found["loc"]) or "the file"
        raise ConfigError(f"{path} is not a calibration: {where}: {found['msg']}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}.") from error
