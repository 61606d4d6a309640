"""Settings of the text steps."""

from __future__ import annotations

from pydantic import Field

from zhiyin.config.base import Group
from zhiyin.domain.script import Script


class TextSettings(Group):
    """What is done to recognized text."""

    script: Script = Field(
        "",
        description="How Chinese is written when a request does not say: simplified, traditional, "
        "traditional-tw, traditional-hk or as-is; empty: zh simplified, yue traditional-hk.",
    )
