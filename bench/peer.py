"""The interface of a recognizer in the benches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Peer(Protocol):
    """A recognizer, loaded and ready; used from one thread."""

    @property
    def name(self) -> str:
        """What it is called in the tables."""
        ...

    def transcribe(self, path: Path, language: str | None) -> str:
        """The whole text of a recording; `language` None lets it detect. Raises what it likes."""
        ...


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """The same for all: a folder of CTranslate2 weights, CPU threads, a compute type."""

    model_folder: Path
    device: str
    threads: int
    compute_type: str
