"""The base of every table of settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """A table of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
