"""Calibration input: labelled recordings, score function, options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zhiyin.domain.audio import SAMPLE_RATE, Samples

Score = Callable[[str, str, str], tuple[int, int]]
"""From reference, text and language to the errors in the text and the units of the reference."""

OnProgress = Callable[[int, int], None]
"""Called with the number of recordings done, and of all."""


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A recording on disk with its reference text."""

    path: Path
    language: str
    reference: str


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """A recording as an engine sees it: cut into clips, just as a request would be.

    No clips: no speech was found in it.
    """

    language: str
    clips: tuple[Samples, ...]
    reference: str

    @property
    def seconds(self) -> float:
        """Length of all clips."""
        return sum(len(clip) for clip in self.clips) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """How to choose. `tolerance` is in points of the error rate: 0.2 allows 10.2 % for 10 %.

    `windows` are (floor, tail) in seconds, the shortest window and what is added after the
    speech; empty leaves them to the engine. `output` is the file to write; None for the one that
    the engine reads.
    """

    tolerance: float = 0.2
    windows: tuple[tuple[float, float], ...] = ()
    output: Path | None = None
