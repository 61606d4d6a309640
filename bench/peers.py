"""What zhiyin is held against.

A further peer (beam 1, the batched pipeline, openai-whisper, whisper.cpp, a server over HTTP) is
a class with the members of `Peer` and a line in `PEERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


class FasterWhisper:
    """`WhisperModel.transcribe` with its defaults: beam 5, temperature fallback, no VAD."""

    name = "faster-whisper"

    def __init__(self, settings: PeerSettings) -> None:
        from faster_whisper import WhisperModel  # only here: other peers don't need it

        self._model = WhisperModel(
            str(settings.model_folder),
            device=settings.device,
            compute_type=settings.compute_type,
            cpu_threads=settings.threads,
        )

    def transcribe(self, path: Path, language: str | None) -> str:
        """The whole text; segments carry their own leading spaces."""
        segments, _ = self._model.transcribe(str(path), language=language)
        return "".join(s.text for s in list(segments)).strip()


PEERS: Mapping[str, Callable[[PeerSettings], Peer]] = {
    FasterWhisper.name: FasterWhisper,
}


def load_peers(names: list[str], settings: PeerSettings) -> list[Peer]:
    """The named peers, loaded. Raises KeyError for a name that is not in `PEERS`."""
    return [PEERS[name](settings) for name in names]
