"""Which stretches of a recording are decoded, and where long ones are cut. Pure: no I/O.

Frames are `ports.vad.FRAME` samples (32 ms). Speech starts at a probability of ENTER and lasts
until it stays under LEAVE for a while (hysteresis, as in Silero's own `get_speech_timestamps`).
Inner pauses are kept, because a decoder that misses them loses words
(https://github.com/saurabhav88/EnviousWispr/issues/2184); only long silences separate pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhiyin.domain.audio import SAMPLE_RATE, Piece, Samples, Span
from zhiyin.ports.vad import FRAME


@dataclass(frozen=True, slots=True)
class CutPolicy:
    """Where a recording is cut into pieces."""

    enter: float = 0.5
    """Probability at which speech begins."""
    leave: float = 0.3
    """Probability below which it may end."""
    before_s: float = 1.0
    """Margin before the speech of a piece."""
    after_s: float = 1.0
    """Margin after it. Whisper decodes better with the natural silence around speech: the CER of
    faster-whisper's default call on 146 Mandarin recordings rose from 16.4 to 18.1 % with 0.4 s."""
    split_gap_s: float = 2.0
    """A silence of this length ends a piece."""
    enough_s: float = 14.0
    """From this length on a piece ends in its next pause."""
    pause_s: float = 0.4
    """Length of that pause; the piece ends in the middle of it."""
    max_piece_s: float = 28.0
    """Longest piece."""
    cut_window_s: float = 6.0
    """A piece that grew too long is cut at a pause in its last seconds, so many, or in twice or
    three times that when there is none."""
    min_speech_s: float = 0.064
    """A piece with less speech is dropped."""
    min_music_s: float = 6.0
    """Music without detected speech is decoded from this length on."""
    max_music_s: float = 30.0
    """Longest piece of music: more helps to understand what is sung."""
    gated: bool = True
    """False: everything is decoded, silence too."""


_BREATH_S = 0.2  # a shorter silence does not end a stretch of speech


def _frames(seconds: float) -> int:
    return max(1, round(seconds * SAMPLE_RATE / FRAME))


class Cutter:
    """Turns blocks of audio with their speech probabilities into pieces, as a stream.

    Memory is bounded by `max_piece`, whatever the length of the recording.
    """

    def __init__(self, policy: CutPolicy) -> None:
        self._policy = policy
        self._audio: Samples = np.zeros(0, np.float32)
        self._probs: NDArray[np.float32] = np.zeros(0, np.float32)
        self._base = 0  # frame number of the first frame held
        self._seen = 0  # frames held that were scanned already
        self._first: int | None = None  # first speech frame of the open piece, from _base
        self._last = 0  # last speech frame of it
        self._active = False
        self._speech = 0  # speech frames in the open piece

    @property
    def held_seconds(self) -> float:
        """Seconds of audio in memory."""
        return len(self._audio) / SAMPLE_RATE

    @property
    def settled_s(self) -> float:
        """Seconds of the recording up to which all is in pieces or passed over."""
        begin = len(self._probs) - _frames(self._policy.before_s)
        if self._first is not None:
            begin = self._begin()
        return (self._base + max(0, begin)) * FRAME / SAMPLE_RATE

    def push(self, samples: Samples, probs: NDArray[np.float32]) -> Iterator[Piece]:
        """Take `float32[k * FRAME]` samples with k probabilities; give the pieces now complete."""
        self._audio = np.concatenate([self._audio, samples])
        self._probs = np.concatenate([self._probs, probs])
        while self._seen < len(self._probs):
            piece = self._scan(self._seen)
            self._seen += 1
            if piece is not None:
                yield piece
        if self._first is None:
            self._drop(len(self._probs) - _frames(self._policy.before_s))

    def finish(self) -> Iterator[Piece]:
        """The last piece, once the recording has ended."""
        if self._first is not None:
            piece = self._close(len(self._probs))
            if piece is not None:
                yield piece

    def _scan(self, i: int) -> Piece | None:
        if self._is_speech(i):
            if self._first is None:
                self._first, self._speech = i, 0
            self._last = i
            self._speech += 1
        elif self._first is None:
            return None
        elif i - self._last >= _frames(self._policy.split_gap_s):
            return self._close(i)
        elif self._rests(i):
            return self._close(self._last + 1 + _frames(self._policy.pause_s / 2))
        if self._first is not None and i + 1 - self._begin() >= _frames(self._policy.max_piece_s):
            return self._cut()
        return None

    def _rests(self, i: int) -> bool:
        """Whether the piece is long enough to end in this pause."""
        pause = i - self._last >= _frames(self._policy.pause_s)
        return pause and self._last - self._begin() >= _frames(self._policy.enough_s)

    def _is_speech(self, i: int) -> bool:
        if not self._policy.gated:
            return True
        p = self._probs[i]
        self._active = bool(p >= (self._policy.leave if self._active else self._policy.enter))
        return self._active

    def _begin(self) -> int:
        assert self._first is not None
        return max(0, self._first - _frames(self._policy.before_s))

    def _close(self, upto: int) -> Piece | None:
        """End the open piece in the silence after it; None when it was but a click."""
        begin = self._begin()
        end = min(self._last + 1 + _frames(self._policy.after_s), upto)
        enough = self._speech >= _frames(self._policy.min_speech_s)
        piece = self._piece(begin, end) if enough else None
        self._first, self._active = None, False
        self._drop(end)
        return piece

    def _cut(self) -> Piece:
        """Cut a piece that grew too long, in the middle of its calmest moment."""
        begin, end = self._begin(), self._seen + 1
        at = self._cut_place(begin, end)
        piece = self._piece(begin, at)
        speech = np.flatnonzero(self._probs[at:end] >= self._policy.leave) + at
        if not self._policy.gated:
            speech = np.arange(at, end)
        self._first = int(speech[0]) if len(speech) else None
        self._speech = len(speech)
        if len(speech):
            # What lies before the cut belongs to the piece before: no lead-in is taken twice.
            self._last = int(speech[-1])
        self._drop(at)
        return piece

    def _cut_place(self, begin: int, end: int) -> int:
        """A real pause, late rather than early; else the calmest moment near the end."""
        places: list[int] = []
        for share in (1, 2, 3):
            low = max(begin + 1, end - share * _frames(self._policy.cut_window_s))
            at = low + calmest(self._probs[low:end], self._audio[low * FRAME : end * FRAME])
            if self._probs[max(0, at - 2) : at + 3].max() < self._policy.leave:
                return at
            places.append(at)
        return places[0]

    def _piece(self, begin: int, end: int) -> Piece:
        samples = self._audio[begin * FRAME : end * FRAME].copy()
        start = (self._base + begin) * FRAME / SAMPLE_RATE
        if not self._policy.gated:
            return Piece(samples, start, None)
        on = self._probs[begin:end] >= self._policy.enter
        voiced_s = float(np.count_nonzero(on)) * FRAME / SAMPLE_RATE
        return Piece(samples, start, spans(on), voiced_s=voiced_s)

    def _drop(self, frames: int) -> None:
        if frames <= 0:
            return
        self._audio = self._audio[frames * FRAME :]
        self._probs = self._probs[frames:]
        self._base += frames
        self._seen -= frames
        self._last -= frames
        if self._first is not None:
            self._first -= frames


def spans(on: NDArray[np.bool_]) -> tuple[Span, ...]:
    """Runs of speech frames in seconds; those with less than a breath between are one."""
    bridge = _frames(_BREATH_S)
    frames = np.flatnonzero(on)
    if not len(frames):
        return ()
    breaks = np.flatnonzero(np.diff(frames) > bridge)
    firsts = frames[np.concatenate([[0], breaks + 1])]
    lasts = frames[np.concatenate([breaks, [len(frames) - 1]])] + 1
    second = FRAME / SAMPLE_RATE
    return tuple(
        (f * second, e * second) for f, e in zip(firsts.tolist(), lasts.tolist(), strict=True)
    )


def calmest(probs: NDArray[np.float32], samples: Samples) -> int:
    """Frame in the middle of the calmest quarter of a second; ties go to the later one."""
    levels = np.sqrt(np.mean(np.square(samples.reshape(-1, FRAME)), axis=1))
    loudness = levels / (float(levels.max()) or 1.0)
    width = min(9, len(probs))
    kernel = np.ones(width) / width
    score = np.convolve(probs + 0.5 * loudness, kernel, mode="same")
    margin = width // 2
    inner = score[margin : len(score) - margin] if len(score) > 2 * margin else score
    return int(len(inner) - 1 - np.argmin(inner[::-1])) + (margin if inner is not score else 0)
