"""Room tone: silence appended to a live segment. Pure.

Whisper decodes the end of an utterance better with two seconds or three of the room's own silence
after it, and a live segment ends before they have passed. It is made of the silence that is there:
after the speech, or else before it, to and fro. Digital zeros don't do: no room sounds like that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zhiyin.domain.audio import SAMPLE_RATE, Samples, Span

_BESIDE_S = 0.03  # that much beside speech may still be speech
_LEAST_S = 0.1  # of silence; less would be a hum


def with_tail(samples: Samples, speech: Sequence[Span], seconds: float) -> Samples:
    """The samples (float32[n]) with at least that much quiet after the last of `speech`.

    As they are when there is no silence to make it of.
    """
    if not speech:
        return samples
    ended = int(speech[-1][1] * SAMPLE_RATE)
    missing = ended + int(seconds * SAMPLE_RATE) - len(samples)
    quiet = _quiet(samples, int(speech[0][0] * SAMPLE_RATE), ended)
    if missing <= 0 or quiet is None:
        return samples
    there_and_back = np.concatenate([quiet[::-1], quiet])
    return np.concatenate([samples, np.resize(there_and_back, missing)])


def _quiet(samples: Samples, begun: int, ended: int) -> Samples | None:
    """The silence after the speech, or the one before it; None when both are too short."""
    beside = int(_BESIDE_S * SAMPLE_RATE)
    for part in (samples[ended + beside :], samples[: max(0, begun - beside)]):
        if len(part) >= _LEAST_S * SAMPLE_RATE:
            return part
    return None
