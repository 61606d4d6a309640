"""A recording through the decoder, whole."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from tests.support.media import RATE, Samples
from zhiyin.audio.decode import AvDecoder
from zhiyin.domain.audio import AudioLimits
from zhiyin.domain.source import AudioSource


@dataclass(frozen=True)
class Whole:
    """What came of it; `duration` is what was known beforehand."""

    samples: Samples
    duration: float | None
    notices: set[str]

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / RATE

    def onsets(self, silence_s: float = 0.8) -> list[float]:
        """Where sound begins after at least so much silence."""
        step = RATE // 50
        usable = self.samples[: len(self.samples) // step * step].reshape(-1, step)
        loud = np.abs(usable).max(axis=1) > 0.02
        quiet = round(silence_s * 50)
        return [i / 50 for i in np.flatnonzero(loud) if not loud[max(0, i - quiet) : i].any()]


def decoded(data: bytes, max_seconds: float = 7200.0, track: int | None = None) -> Whole:
    """Decode all. Raises what the decoder raises."""
    source = AudioSource(io.BytesIO(data), len(data))
    opened = AvDecoder().open(source, AudioLimits(max_seconds), track)
    try:
        samples = np.concatenate(list(opened.blocks()))
        return Whole(samples, opened.duration, {notice.code for notice in opened.notices})
    finally:
        opened.close()
