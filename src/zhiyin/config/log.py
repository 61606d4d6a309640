"""Settings of logs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from zhiyin.config.base import Group


class LogSettings(Group):
    """Logs go to standard error and never hold text, audio, file names or keys."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level.")
    format: Literal["console", "json"] = Field("console", description="Text or JSON lines.")
