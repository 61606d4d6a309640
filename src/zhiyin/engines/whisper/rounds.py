"""What is said again and again: is it in the sound, or did the decoder go round? Pure.

People do repeat themselves ("no no no", a command to a device that does not react), and the sound
shows it: stretches of speech of like length between pauses, one for each round of the text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import median

from zhiyin.domain.audio import Span
from zhiyin.domain.languages import unspaced
from zhiyin.domain.segmenting import TimedText
from zhiyin.engines.whisper.guard import first_round

_LEAST = 3  # stretches
_ALIKE = 1.4  # the longest of them to the shortest
_MOST_TOKENS = 8.0  # a second of speech; of 250 recordings only loops had more than 7.4
_HURRIED = 0.5  # of what the usual round takes: a round that takes less was not said
_SLOW_TOKENS = 2.5  # a second of speech: fewer, and rounds were left out


def rounds(text: str) -> int:
    """How often the text says the same; 1 when it does not repeat its beginning to its end."""
    units = _units(text)
    for size in range(1, len(units) // 2 + 1):
        if len(units) % size == 0 and units == units[:size] * (len(units) // size):
            return len(units) // size
    return 1


def alike(spans: Sequence[Span]) -> bool:
    """Whether the stretches of speech may be rounds of the same."""
    lengths = [end - begin for begin, end in spans]
    return len(spans) >= _LEAST and max(lengths) <= _ALIKE * min(lengths)


def is_said(text: str, spans: Sequence[Span]) -> bool:
    """Whether each round of the text has a stretch of speech of its own."""
    return alike(spans) and rounds(text) == len(spans)


def has_time(tokens: int, speech_s: float) -> bool:
    """Whether so much can be said in that time."""
    return tokens <= _MOST_TOKENS * speech_s


def is_in_time(tokens: Sequence[int], words: Sequence[TimedText]) -> bool:
    """Whether each round of a loop takes its time, by the words that were aligned with the sound.

    Rounds that the decoder made up crowd together.
    """
    found = first_round(tuple(tokens))
    if found is None or not words:
        return False
    end, size = found
    last = end
    while last < len(tokens) and tokens[last] == tokens[last - size]:
        last += 1
    counted = accumulate(len(word.tokens) for word in words)
    time_of = {0: words[0].start} | {n: w.end for n, w in zip(counted, words, strict=True)}
    marks = [time_of[n] for n in range(end - size, last + 1, size) if n in time_of]
    lengths = [b - a for a, b in pairwise(marks)]
    return len(lengths) > 1 and min(lengths) >= _HURRIED * median(lengths)


def miscounts(text: str, tokens: int, spans: Sequence[Span]) -> bool:
    """Whether the sound repeats something and the text does so more or less often."""
    if not alike(spans):
        return False
    found = rounds(text)
    slow = tokens < _SLOW_TOKENS * sum(end - begin for begin, end in spans)
    return found != len(spans) and (found > 1 or slow)


def apart(spans: Sequence[Span], seconds: float) -> tuple[Span, ...]:
    """The clip of that length in parts with a stretch each, which meet in the middle of a pause."""
    marks = [0.0, *((a[1] + b[0]) / 2 for a, b in pairwise(spans)), seconds]
    return tuple(pairwise(marks))


def _units(text: str) -> list[str]:
    """Words without case and punctuation; characters where words are not spaced."""
    kept = (c if unicodedata.category(c)[0] in "LMN" else " " for c in text.casefold())
    return "".join(f" {c} " if unspaced(c) else c for c in kept).split()
