"""How long the engine will take, learned from how long it took."""

from __future__ import annotations

_WEIGHT = 0.1  # of a new observation in the moving average


class CostModel:
    """Engine seconds as `per_clip + per_second * audio seconds`, a moving average of both.

    Seeded pessimistically (Whisper base int8 on two busy cores). Written by the engine thread
    only; a reader may see a value one batch old.
    """

    def __init__(self, per_clip: float = 0.8, per_second: float = 0.08) -> None:
        self.per_clip = per_clip
        self.per_second = per_second

    def predict(self, audio_s: float, clips: int | None = None) -> float:
        """Engine seconds for that much audio, cut into `clips` (one per 28 s when not given)."""
        count = clips if clips is not None else 1 + int(audio_s / 28.0)
        return count * self.per_clip + audio_s * self.per_second

    def observe(self, audio_s: float, clips: int, elapsed_s: float) -> None:
        """Scale both terms towards what a batch really took."""
        expected = self.predict(audio_s, clips)
        if expected > 0:
            ratio = min(10.0, max(0.1, elapsed_s / expected))
            factor = 1 + _WEIGHT * (ratio - 1)
            self.per_clip *= factor
            self.per_second *= factor
