"""Music in what the speech detector passed over, so that singing can be decoded. Pure: no I/O.

Silero's model hears no speech in singing over instruments. What tells music from noise, silence and
machines is that partials hold their pitch for a sixth of a second and new ones keep coming: 4 to 40
a second in most of 68 pieces of music (death metal 1.2 to 5), under 2 in a fire, birds, hiss, hum
and clicks. Only stretches without detected speech are looked at, so that speech costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zhiyin.core.segmentation.cutting import CutPolicy, Cutter, calmest
from zhiyin.domain.audio import SAMPLE_RATE, Piece, Samples, Span
from zhiyin.ports.vad import FRAME

_WINDOW, _HOP = 1024, 512
_LOWEST, _HIGHEST = 6, 256  # bins of 15.6 Hz: 94 to 4,000 Hz
_AROUND = 17  # bins over which the level around a peak is taken
_ABOVE = 1.5  # nepers of power by which a peak stands out
_BELOW = 11.5  # below the loudest partial it is a trace that 16 bits leave of a steady tone
_HELD = 6  # frames of 32 ms for which a partial holds its pitch
_BIRTHS = 2.0  # partials a second that come to hold their pitch, with an even level
_MANY_BIRTHS = 6.0  # the same with pauses
_EVEN, _PAUSED = 0.2, 0.5  # shares of frames that are quiet
_QUIET = 4.5  # nepers of power below the loud frames
_BLIPS = 0.3  # share of a piece that is detected as speech in singing, at most
_SCRAP_S = 2.0  # of music after a piece of it
_FAINT = 1e-3  # RMS; fainter is the noise of a microphone


def is_music(samples: Samples) -> bool:
    """Whether float32[n] without detected speech sounds like music, sung or not."""
    if len(samples) < SAMPLE_RATE or float(np.sqrt(np.mean(np.square(samples)))) < _FAINT:
        return False
    power = _power(samples)
    level = np.log(power.sum(axis=1))
    quiet = float(np.mean(level < np.percentile(level, 95) - _QUIET))
    births = _births(np.log(power[:, _LOWEST:_HIGHEST])) * SAMPLE_RATE / len(samples)
    return (births >= _BIRTHS and quiet <= _EVEN) or (births >= _MANY_BIRTHS and quiet <= _PAUSED)


def _power(samples: Samples) -> NDArray[np.float32]:
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    spectra = np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32), axis=1)
    power: NDArray[np.float32] = (np.square(np.abs(spectra)) + 1e-10).astype(np.float32)
    return power


def _births(levels: NDArray[np.float32]) -> int:
    """How many partials came to hold their pitch; `levels` is frames by bins."""
    sums = np.cumsum(np.pad(levels, ((0, 0), (_AROUND // 2 + 1, _AROUND // 2)), "edge"), axis=1)
    around = (sums[:, _AROUND:] - sums[:, :-_AROUND]) / _AROUND
    peaks = np.zeros(levels.shape, bool)
    middle = levels[:, 1:-1]
    loud = middle > levels.max(axis=1, keepdims=True) - _BELOW
    standing = middle > around[:, 1:-1] + _ABOVE
    peaks[:, 1:-1] = (middle > levels[:, :-2]) & (middle >= levels[:, 2:]) & standing & loud
    near = peaks.copy()
    near[:, 1:] |= peaks[:, :-1]
    near[:, :-1] |= peaks[:, 1:]
    run, births = np.full(levels.shape[1], _HELD), 0  # what sounds from the beginning is not new
    for at, here in zip(near, peaks, strict=True):
        run = np.where(at, run + 1, 0)
        births += int(np.count_nonzero(here & (run == _HELD)))
    return births


class MusicCutter:
    """A `Cutter` that gives pieces of music as well, where no speech was detected.

    Memory is bounded by the longest piece of music and the longest of speech.
    """

    def __init__(self, policy: CutPolicy) -> None:
        self._policy = policy
        self._cutter = Cutter(policy)
        self._held: Samples = np.zeros(0, np.float32)  # from _start on, not yet in a piece
        self._start = 0
        self._speech: list[Span] = []  # in what is held, in seconds of the recording
        self._goes_on = False  # what is held continues a piece of music
        self.found = False

    def push(self, samples: Samples, probs: NDArray[np.float32]) -> Iterator[Piece]:
        """As `Cutter.push`."""
        self._held = np.concatenate([self._held, samples])
        for piece in self._cutter.push(samples, probs):
            yield from self._before(piece)
        yield from self._long_ones(round(self._cutter.settled_s * SAMPLE_RATE))

    def finish(self) -> Iterator[Piece]:
        """As `Cutter.finish`."""
        for piece in self._cutter.finish():
            yield from self._before(piece)
        end = self._start + len(self._held)
        yield from self._long_ones(end)
        yield from self._rest(end)

    def _before(self, piece: Piece) -> Iterator[Piece]:
        """The music before a piece of speech, and the piece, unless it is sung as well."""
        begin = round(piece.start * SAMPLE_RATE)
        if self._is_sung(piece, begin - self._start):
            self._speech += [(piece.start + b, piece.start + e) for b, e in piece.speech or ()]
            return
        yield from self._long_ones(begin)
        yield from self._rest(begin)
        yield piece
        self._drop(round(piece.end * SAMPLE_RATE))
        self._goes_on = False

    def _long_ones(self, upto: int) -> Iterator[Piece]:
        """Music that grew too long is cut at a calm moment in its last seconds."""
        longest = int(self._policy.max_music_s * SAMPLE_RATE) // FRAME * FRAME
        window = min(self._policy.cut_window_s, self._policy.max_music_s / 2)
        last = int(window * SAMPLE_RATE) // FRAME * FRAME
        while upto - self._start > longest:
            tail = self._held[longest - last : longest]
            at = longest - last + calmest(np.zeros(last // FRAME, np.float32), tail) * FRAME
            yield from self._piece(at, self._policy.min_music_s)

    def _rest(self, upto: int) -> Iterator[Piece]:
        least = _SCRAP_S if self._goes_on else self._policy.min_music_s
        yield from self._piece(upto - self._start, least)

    def _is_sung(self, piece: Piece, before: int) -> bool:
        """Whether a piece with little speech goes on with the music that is held before it."""
        spoken_s = sum(end - begin for begin, end in piece.speech or ())
        if before < self._policy.min_music_s * SAMPLE_RATE or spoken_s > _BLIPS * piece.duration:
            return False
        end = before + len(piece.samples)
        return is_music(self._held[:before]) and is_music(self._held[before:end])

    def _piece(self, length: int, least_s: float) -> Iterator[Piece]:
        stretch, start = self._held[:length].copy(), self._start / SAMPLE_RATE
        end = start + len(stretch) / SAMPLE_RATE
        inside = [(max(0.0, b - start), min(e, end) - start) for b, e in self._speech if b < end]
        self._drop(self._start + length)
        self._goes_on = len(stretch) >= least_s * SAMPLE_RATE and is_music(stretch)
        if self._goes_on:
            self.found = True
            yield Piece(stretch, start, tuple(inside), music=True)

    def _drop(self, upto: int) -> None:
        gone = min(max(0, upto - self._start), len(self._held))
        self._held = self._held[gone:]
        self._start += gone
        self._speech = [(b, e) for b, e in self._speech if e > self._start / SAMPLE_RATE]
