"""The folder of models and stored data."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from zhiyin.config import Settings


def data_folder(settings: Settings) -> Path:
    """The folder, made for its owner only; one that is there stays as its owner wants it.

    When it can't be made, whatever writes into it says so.
    """
    with suppress(OSError):
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings.data_dir
