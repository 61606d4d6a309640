"""Resampling: frames of any rate and layout, as mono 16 kHz float32."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from zhiyin.domain.audio import SAMPLE_RATE, Samples


class Mono:
    """Resamples a stream whose shape may change on the way. What PyAV raises comes through."""

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._shape: tuple[Any, ...] = ()

    def convert(self, frames: Iterable[AudioFrame]) -> Samples:
        """The samples that are ready; the last few may come with the next frames."""
        return _joined(part for frame in frames for part in self._parts(frame))

    def finish(self) -> Samples:
        """The rest."""
        return _joined(self._resampler.resample(None)) if self._resampler else _joined(())

    def _parts(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        shape = (frame.sample_rate, frame.layout.name, frame.format.name)
        if self._resampler is None or shape != self._shape:
            if self._resampler is not None:
                yield from self._resampler.resample(None)
            self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
            self._shape = shape
        frame.pts = None
        yield from self._resampler.resample(frame)


def _joined(frames: Iterable[AudioFrame]) -> Samples:
    parts = [frame.to_ndarray().reshape(-1) for frame in frames]
    if not parts:
        return np.zeros(0, np.float32)
    # Float samples may be NaN or far outside [-1, 1].
    samples = np.nan_to_num(np.concatenate(parts).astype(np.float32, copy=False))
    return np.clip(samples, -1.0, 1.0)
