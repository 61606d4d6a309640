"""Cost model: engine seconds predicted from those that calls took."""

from __future__ import annotations

from bisect import bisect_left

_WEIGHT = 0.2  # of a new observation in the moving averages
_LONGEST_PIECE_S = 28.0


class CostModel:
    """Engine seconds per clip, by the seconds that are computed and the clips in one call.

    A moving average per (computed seconds, clips in the call); what was not seen yet is
    interpolated from `seed`, scaled by how the last calls compared with it. Written by the engine
    threads under the scheduler's lock; a reader may see a value one call old.
    """

    def __init__(self) -> None:
        # Before anything is known: Whisper base, int8, one busy core.
        self._curve: list[tuple[float, float]] = [(10.0, 0.3), (30.0, 1.6)]
        self._seen: dict[tuple[int, int], float] = {}
        self._scale = 1.0
        self._per_audio_s = 1.6 / _LONGEST_PIECE_S

    def seed(self, measured: list[tuple[float, float]]) -> None:
        """What single calls took at the start: (computed seconds, engine seconds) of each."""
        if measured:
            self._curve = sorted(dict(measured).items())
            self._per_audio_s = self._at(30.0) / _LONGEST_PIECE_S

    def predict(self, computed_s: float, clips: int = 1) -> float:
        """Engine seconds for one clip of a call with so many."""
        seen = self._seen.get(_bucket(computed_s, clips))
        return seen if seen is not None else self._at(computed_s) * self._scale

    def request(self, audio_s: float) -> float:
        """Engine seconds for a recording of that length, pauses included."""
        if audio_s <= 0:
            return 0.0
        return max(self._per_audio_s * audio_s, self._at(0.0) * self._scale)

    def observe(self, computed_s: float, audio_s: float, clips: int, elapsed_s: float) -> None:
        """Learn from a call over `clips` that computed that much for each.

        `audio_s` is their audio together.
        """
        each = elapsed_s / clips
        expected = self._at(computed_s)
        if expected > 0:
            self._scale += _WEIGHT * (min(10.0, max(0.1, each / expected)) - self._scale)
        bucket = _bucket(computed_s, clips)
        self._seen[bucket] = (1 - _WEIGHT) * self._seen.get(bucket, each) + _WEIGHT * each
        if audio_s > 0:
            # Weighted by the audio: long pieces say most about long recordings.
            weight = _WEIGHT * min(1.0, audio_s / _LONGEST_PIECE_S)
            self._per_audio_s += weight * (elapsed_s / audio_s - self._per_audio_s)

    def _at(self, computed_s: float) -> float:
        """The seed curve: linear between its points, flat before the first, rising after."""
        i = bisect_left(self._curve, (computed_s,))
        if i == 0:
            return self._curve[0][1]
        if i == len(self._curve):
            seconds, cost = self._curve[-1]
            return cost * computed_s / seconds
        (x0, y0), (x1, y1) = self._curve[i - 1], self._curve[i]
        return y0 + (y1 - y0) * (computed_s - x0) / (x1 - x0)


def _bucket(computed_s: float, clips: int) -> tuple[int, int]:
    """Two seconds wide; clips by powers of two."""
    return round(computed_s / 2), clips.bit_length()
