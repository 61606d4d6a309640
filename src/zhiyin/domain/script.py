"""The two ways to write Chinese."""

from __future__ import annotations

from typing import Literal, cast, get_args

from zhiyin.domain.errors import InvalidRequest

Script = Literal["", "simplified", "traditional"]
"""Empty leaves the text as the engine wrote it."""

WRITTEN_SO = frozenset({"zh", "yue"})
"""Languages that have both scripts."""


def parse_script(value: str) -> Script:
    """A script by its name. Raises InvalidRequest."""
    if value not in get_args(Script):
        raise InvalidRequest("The script is 'simplified' or 'traditional'.", param="script")
    return cast("Script", value)
