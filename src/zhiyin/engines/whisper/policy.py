"""How Whisper decodes: windows, beams, and when a result is not believed.

Thresholds named in the Whisper paper (Radford et al., 2022, section 4.5) keep their values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FULL_WINDOW_S = 30.0


@dataclass(frozen=True, slots=True)
class DecodePolicy:
    """Seconds unless said otherwise. The window is what the encoder sees of a clip.

    `floor` is the shortest window, `tail` what is added after the speech (zeros in the audio
    domain), `step` the length of a bucket. FULL_WINDOW_S as floor always uses the full window.
    """

    floor: float = FULL_WINDOW_S
    tail: float = 0.0
    step: float = 1.0
    beam_size: int = 5
    doubt_logprob: float = -1.0
    """A short-window result with a lower mean log-probability is decoded again in full."""
    logprob_threshold: float = -1.0
    compression_ratio_threshold: float = 2.4
    no_speech_threshold: float = 0.6
    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    best_of: int = 5
    max_tokens_per_second: float = 14.0
    spare_tokens: int = 24

    def window(self, seconds: float) -> float:
        """Seconds of encoder input for a clip of that many seconds."""
        wanted = max(self.floor, seconds + self.tail)
        steps = -(-wanted // self.step)
        return min(FULL_WINDOW_S, steps * self.step)

    def max_new_tokens(self, seconds: float) -> int:
        """More than anybody says in that time; Whisper's own limit is 224."""
        return min(224, self.spare_tokens + int(seconds * self.max_tokens_per_second))


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """A model's policy, and those of languages that were measured apart."""

    default: DecodePolicy = DecodePolicy()
    languages: Mapping[str, DecodePolicy] = field(default_factory=dict)

    def of(self, language: str | None) -> DecodePolicy:
        """The policy for a language; None while it is still to be heard."""
        return self.languages.get(language or "", self.default)
