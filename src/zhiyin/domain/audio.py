"""Audio samples: 16 kHz mono float32, the only form past the decoder; pieces and limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Hertz. Every engine gets this rate; resampling happens once, in the decoder."""

Samples = NDArray[np.float32]
"""float32[n], mono, nominally in [-1, 1], at SAMPLE_RATE."""


Span = tuple[float, float]
"""Begin and end, in seconds."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning about an otherwise good result."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one recording that is decoded as a unit.

    `start` is in seconds from the start of the recording, `speech` the stretches of speech that
    were detected, in seconds from the start of the piece; None without detection. `music`: in
    music, maybe sung.
    """

    samples: Samples
    start: float
    speech: tuple[Span, ...] | None
    music: bool = False
    voiced_s: float | None = None
    """Seconds of frames with detected speech, without the breaths that `speech` spans."""

    @property
    def duration(self) -> float:
        """Seconds of audio in this piece."""
        return len(self.samples) / SAMPLE_RATE

    @property
    def end(self) -> float:
        """Seconds from the start of the recording."""
        return self.start + self.duration


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """What one recording may cost. `max_seconds` is enforced while decoding."""

    max_seconds: float
