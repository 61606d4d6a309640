"""Hallucination guard: is a hypothesis failed, doubtful or silence? Pure, over one clip."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from zhiyin.engines.whisper.policy import DecodePolicy


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One decoding result.

    `finished` says that the end token came before the token limit, `in_sound` that what the text
    repeats is repeated by the speaker, `cut` that a loop was cut off.
    """

    tokens: tuple[int, ...]
    text: str
    avg_logprob: float
    no_speech_prob: float
    temperature: float
    finished: bool
    in_sound: bool = False
    cut: bool = False

    @property
    def compression_ratio(self) -> float:
        """UTF-8 bytes over their zlib size, as Whisper's `utils.compression_ratio`."""
        raw = self.text.encode()
        return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def is_silence(h: Hypothesis, policy: DecodePolicy) -> bool:
    """The model takes it for silence and does not trust its text either (Whisper's rule)."""
    return any(h.no_speech_prob > p and h.avg_logprob < score for p, score in policy.silence)


def is_unsure_silence(h: Hypothesis, policy: DecodePolicy) -> bool:
    """Silence by our own pairs, whose text Whisper's own threshold would believe."""
    return is_silence(h, policy) and not is_failed(h, policy)


def is_failed(h: Hypothesis, policy: DecodePolicy) -> bool:
    """Whisper's rule for decoding again at a higher temperature."""
    return h.avg_logprob < policy.logprob_threshold or runs_away(h, policy)


def runs_away(h: Hypothesis, policy: DecodePolicy) -> bool:
    """The decoder went round in circles, or did not come to an end."""
    return not h.finished or (not h.in_sound and goes_round(h, policy))


def goes_round(h: Hypothesis, policy: DecodePolicy) -> bool:
    """The text repeats itself, for whatever reason."""
    return h.compression_ratio > policy.compression_ratio_threshold or repeats(h.tokens)


def is_doubtful(h: Hypothesis, policy: DecodePolicy) -> bool:
    """Whether a short-window hypothesis should be decoded again in the full window."""
    return is_failed(h, policy) or h.avg_logprob < policy.doubt_logprob


def better(first: Hypothesis, second: Hypothesis, policy: DecodePolicy) -> Hypothesis:
    """Of two windows over one clip, the result that is not failed, else the likelier."""
    return max((first, second), key=lambda h: (not is_failed(h, policy), h.avg_logprob))


def repeats(tokens: tuple[int, ...]) -> bool:
    """Whether some run of 1 to 12 tokens comes again and again (a decoding loop).

    A phrase of four must come three times in a row, a shorter one four times, and one token alone
    eight times: people do say "no no no no".
    """
    return first_round(tokens) is not None


def without_loop(tokens: tuple[int, ...]) -> tuple[int, ...]:
    """Without the further rounds of a loop in which the tokens end; else as they are."""
    found = first_round(tokens)
    if found is None:
        return tokens
    end, size = found
    last = end
    while last < len(tokens) and tokens[last] == tokens[last - size]:
        last += 1
    return tokens[:end] if len(tokens) - last <= size else tokens


def first_round(tokens: tuple[int, ...]) -> tuple[int, int] | None:
    """Where the first round of a loop ends, and how many tokens it has."""
    for size in range(1, 13):
        needed = 8 if size == 1 else 4 if size < 4 else 3
        run = 0
        for i in range(size, len(tokens)):
            run = run + 1 if tokens[i] == tokens[i - size] else 0
            if run >= size * (needed - 1):
                return i - run + 1, size
    return None
