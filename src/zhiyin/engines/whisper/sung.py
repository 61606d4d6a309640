"""What is believed of a decoding of music, and how music is decoded once more. Pure, over one clip.

Whisper writes something over most music. Of 29 s pieces of songs the right words came with a mean
log-probability of -0.2 to -0.6 and no loop; instrumental music gave loops, stock phrases, or less
than -1.5.
"""

from __future__ import annotations

from collections.abc import Sequence

from zhiyin.domain.audio import Span
from zhiyin.engines.whisper.guard import Hypothesis, runs_away
from zhiyin.engines.whisper.policy import DecodePolicy
from zhiyin.engines.whisper.silence import is_stock

_HALVED_S = 12.0  # shorter music is not decoded in halves
_MARGIN_S = 1.0


def is_sung(h: Hypothesis, policy: DecodePolicy, language_probability: float | None) -> bool:
    """Whether a text over music is surely sung or spoken.

    The probability is None when the language was named.
    """
    certain = language_probability is None or language_probability >= policy.sung_language
    sure = h.avg_logprob >= policy.sung_logprob and h.no_speech_prob <= policy.no_speech
    words = len(h.tokens) >= policy.sung_tokens and not is_stock(h.text)
    return certain and sure and words and not runs_away(h, policy)


def parts_of(
    h: Hypothesis, policy: DecodePolicy, seconds: float, speech: Sequence[Span]
) -> tuple[Span, ...]:
    """Where to look again when the text was not believed.

    Where speech was detected, else in the halves of a clip that may hold words: the decoder goes
    in circles over what is only played, and takes what is sung beside it along.
    """
    if speech:
        return tuple((max(0.0, b - _MARGIN_S), min(seconds, e + _MARGIN_S)) for b, e in speech)
    likely = runs_away(h, policy) or h.avg_logprob >= policy.logprob_threshold
    if seconds < _HALVED_S or not likely:
        return ()
    return (0.0, seconds / 2), (seconds / 2, seconds)
