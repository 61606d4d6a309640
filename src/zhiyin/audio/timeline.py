"""Time stamps: where there is a hole between two frames, a player is silent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer

from zhiyin.domain.audio import SAMPLE_RATE, Samples

_JITTER_S = 0.3
"""Clocks of containers count in milliseconds or worse, and those of recorders wander."""

_LATE_S = 0.05
"""A film's sound that begins so much later than the pictures."""

_MAX_GAP_S = 3600.0
_BROADCAST_GAP_S = 600.0

_CLOCKED = {"mov", "matroska", "ogg", "flv", "asf", "mpegts", "mpeg", "nut", "mxf"}


class Timeline:
    """The frames of one track. Holes of up to `longest` s are silence; more is another clock.

    `start` is the time at which the recording begins; None when that is its first frame. `jumped`
    tells whether a clock was found to go on from elsewhere.
    """

    def __init__(self, start: float | None, longest: float) -> None:
        self._next = start
        self._longest = longest
        self._least = _LATE_S
        self.jumped = False

    def gap(self, frame: AudioFrame, seconds: float, after: AudioFrame | None = None) -> float:
        """Seconds of silence before this frame of that length.

        `after` is the frame behind it, where it is known: when its time has come back, this one's
        was wrong.
        """
        time = frame.time
        expected = time if self._next is None else self._next
        if time is None or expected is None:
            self._next = None if expected is None else expected + seconds
            return 0.0
        late = time - expected
        wrong = after is not None and after.time is not None and after.time < time
        if wrong or -_JITTER_S < late < self._least:
            self._next = expected + seconds
            late = 0.0
        else:  # a hole, or another clock
            self._next = time + seconds
        self._least = _JITTER_S
        self.jumped = self.jumped or late > self._longest
        return late if 0.0 < late <= self._longest else 0.0


def silence(seconds: float) -> Iterator[Samples]:
    """In slices of at most a second."""
    samples = round(seconds * SAMPLE_RATE)
    for at in range(0, samples, SAMPLE_RATE):
        yield np.zeros(min(SAMPLE_RATE, samples - at), np.float32)


def has_clock(container: InputContainer) -> bool:
    """Whether packets have times of their own; elsewhere they are counted from the start."""
    return container.format.name.partition(",")[0] in _CLOCKED


def longest_gap(container: InputContainer) -> float:
    """Seconds that a hole may last. What was broadcast has clocks that jump."""
    return _BROADCAST_GAP_S if container.format.name in ("mpegts", "mpeg") else _MAX_GAP_S
