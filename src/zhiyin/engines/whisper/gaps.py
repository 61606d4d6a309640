"""Speech that the decoder passed over: where it is, and how to cut the clip to get at it. Pure.

Without time tokens Whisper now and then leaves out an utterance of a clip that holds several, and
does not know it. The alignment shows it: one word then lasts for seconds of speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from zhiyin.domain.audio import Span
from zhiyin.domain.segmenting import TimedText

_WORD_S = 1.0  # of a longer word, that much at either end is taken for the word itself
_PAUSE_S = 0.5  # a gap that begins this close to a pause is cut at the pause
_LEAST_S = 0.2


def find_gaps(speech: Sequence[Span], words: Sequence[TimedText], least_s: float) -> list[Span]:
    """Stretches of at least `least_s` seconds of speech without words, in order.

    All times in seconds from the start of the clip.
    """
    covered = sorted(span for word in words for span in _covered_by(word))
    return [gap for span in speech for gap in _uncovered(span, covered, least_s)]


def cut(speech: Sequence[Span], gaps: Sequence[Span], seconds: float) -> tuple[Span, ...]:
    """The clip in parts with the gaps apart, at pauses where there are some."""
    marks = {0.0, seconds}
    for begin, end in gaps:
        marks |= {_before(speech, begin), _after(speech, end, seconds)}
    ordered = sorted(marks)
    parts = pairwise(ordered)
    return tuple(p for p in parts if p[1] - p[0] >= _LEAST_S and _holds_speech(p, speech))


def _covered_by(word: TimedText) -> tuple[Span, Span]:
    begin, end = word.start, word.end
    return (begin, min(end, begin + _WORD_S)), (max(begin, end - _WORD_S), end)


def _uncovered(span: Span, covered: Sequence[Span], least_s: float) -> list[Span]:
    at, found = span[0], []
    for begin, end in [*covered, (span[1], span[1])]:
        if min(begin, span[1]) - at >= least_s:
            found.append((at, min(begin, span[1])))
        at = max(at, end)
    return found


def _before(speech: Sequence[Span], begin: float) -> float:
    """The middle of the pause before a gap, or its very beginning."""
    ends = [e for _, e in speech if e <= begin]
    starts = [s for s, _ in speech if s <= begin]
    if not starts or begin - starts[-1] > _PAUSE_S:
        return begin
    return (ends[-1] + starts[-1]) / 2 if ends else 0.0


def _after(speech: Sequence[Span], end: float, seconds: float) -> float:
    """The middle of the pause after a gap, or its very end."""
    starts = [s for s, _ in speech if s >= end]
    ends = [e for _, e in speech if e >= end]
    if not ends or ends[0] - end > _PAUSE_S:
        return end
    return (ends[0] + starts[0]) / 2 if starts else seconds


def _holds_speech(part: Span, speech: Sequence[Span]) -> bool:
    return any(min(part[1], e) - max(part[0], s) >= _LEAST_S / 2 for s, e in speech)
