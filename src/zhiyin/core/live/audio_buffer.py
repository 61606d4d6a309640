"""Audio buffer: the end of a stream with its speech probabilities, by frame number. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zhiyin.domain.audio import Samples
from zhiyin.ports.vad import FRAME

_LEAST_FRAMES = 64


class AudioBuffer:
    """Frames `first` to `end` (exclusive) of a stream. What was dropped is gone."""

    def __init__(self) -> None:
        self._audio = np.zeros(_LEAST_FRAMES * FRAME, np.float32)
        self._probs = np.zeros(_LEAST_FRAMES, np.float32)
        self.first = 0
        self.end = 0

    def append(self, samples: Samples, probs: NDArray[np.float32]) -> None:
        """Add `float32[k * FRAME]` with its k probabilities."""
        held, more = self.end - self.first, len(probs)
        self._reserve(held + more)
        self._audio[held * FRAME : (held + more) * FRAME] = samples
        self._probs[held : held + more] = probs
        self.end += more

    def audio(self, begin: int, end: int) -> Samples:
        """A copy of the frames' samples."""
        return self._audio[(begin - self.first) * FRAME : (end - self.first) * FRAME].copy()

    def probs(self, begin: int, end: int) -> NDArray[np.float32]:
        """A copy of the frames' probabilities."""
        return self._probs[begin - self.first : end - self.first].copy()

    def drop(self, before: int) -> None:
        """Drop the frames before that one."""
        gone = min(before, self.end) - self.first
        if gone <= 0:
            return
        held = self.end - self.first - gone
        capacity = max(_LEAST_FRAMES, 2 * held) if 4 * held < len(self._probs) else 0
        size = capacity or len(self._probs)
        self._audio = _moved(self._audio, gone * FRAME, held * FRAME, size * FRAME)
        self._probs = _moved(self._probs, gone, held, size)
        self.first += gone

    def _reserve(self, frames: int) -> None:
        if frames > len(self._probs):
            held, size = self.end - self.first, 2 * frames
            self._audio = _moved(self._audio, 0, held * FRAME, size * FRAME)
            self._probs = _moved(self._probs, 0, held, size)


def _moved(old: NDArray[np.float32], begin: int, count: int, size: int) -> NDArray[np.float32]:
    if len(old) == size:
        old[:count] = old[begin : begin + count]
        return old
    new = np.zeros(size, np.float32)
    new[:count] = old[begin : begin + count]
    return new
