"""Speech that was passed over is found, and cut out at pauses."""

from __future__ import annotations

import pytest

from zhiyin.domain.audio import Span
from zhiyin.domain.segmenting import TimedText
from zhiyin.engines.whisper.gaps import cut, find_gaps

SPEECH: tuple[Span, ...] = ((1.0, 4.9), (6.3, 9.8), (11.3, 13.9))


def words(*times: Span) -> list[TimedText]:
    return [TimedText("w", begin, end, 0.9, ()) for begin, end in times]


def steady(begin: float, end: float) -> list[Span]:
    """A word every quarter of a second."""
    count = round((end - begin) * 4)
    return [(begin + i / 4, begin + (i + 1) / 4) for i in range(count)]


def test_words_all_over_the_speech_leave_no_gap() -> None:
    heard = words(*steady(1, 5), *steady(6.25, 9.75), *steady(11.25, 14))
    assert find_gaps(SPEECH, heard, 1.0) == []


def test_an_utterance_under_one_long_word_is_a_gap() -> None:
    heard = words(*steady(1, 4.75), (4.75, 11.4), *steady(11.5, 14))
    ((begin, end),) = find_gaps(SPEECH, heard, 1.0)
    assert (begin, end) == (6.3, 9.8)
    edges = [edge for part in cut(SPEECH, [(begin, end)], 14.1) for edge in part]
    assert edges == pytest.approx([0.0, 5.6, 5.6, 10.55, 10.55, 14.1])


def test_a_lost_start_and_a_lost_end() -> None:
    (start,) = find_gaps(SPEECH, words((0.0, 6.3), *steady(6.3, 14)), 1.0)
    assert start[0] <= 2.0
    assert cut(SPEECH, [start], 14.1)[0][0] == 0.0
    (end,) = find_gaps(SPEECH, words(*steady(1, 9.75)), 1.0)
    assert end == (11.3, 13.9)


def test_a_gap_inside_unbroken_speech_is_cut_at_its_edges() -> None:
    speech: tuple[Span, ...] = ((0.0, 20.0),)
    (gap,) = find_gaps(speech, words(*steady(0, 6), (6.0, 14.0), *steady(14, 20)), 1.0)
    assert gap == (7.0, 13.0)
    assert cut(speech, [gap], 20.0) == ((0.0, 7.0), (7.0, 13.0), (13.0, 20.0))


def test_no_speech_no_gap_and_parts_hold_speech() -> None:
    assert find_gaps((), words((0, 9)), 1.0) == []
    parts = cut(SPEECH, [(11.3, 13.9)], 30.0)
    assert all(any(s < e2 and b2 < e for s, e in SPEECH) for b2, e2 in parts)
