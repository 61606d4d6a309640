"""What is said again and again, and what only the decoder repeats."""

from __future__ import annotations

import pytest

from zhiyin.domain.segmenting import TimedText
from zhiyin.engines.whisper.rounds import (
    apart,
    has_time,
    is_in_time,
    is_said,
    miscounts,
    rounds,
)

THREE = [(0.1, 1.2), (1.6, 2.7), (3.2, 4.2)]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("打开客厅的灯打开客厅的灯,打开客厅的灯。", 3),
        ("Stop. Stop, stop, STOP!", 4),
        ("1 4 8 1 4 8", 2),
        ("Please stop. Stop. Stop.", 1),
        ("Turn on the light", 1),
        ("", 1),
        ("...", 1),
    ],
)
def test_rounds_are_counted_without_case_and_punctuation(text: str, times: int) -> None:
    assert rounds(text) == times


def test_what_has_a_stretch_of_speech_for_each_round_is_said() -> None:
    assert is_said("开灯开灯开灯", THREE)
    assert not is_said("开灯开灯开灯开灯", THREE)
    assert not is_said("开灯开灯开灯", [(0.1, 4.2)])
    assert not is_said("开灯开灯开灯", [(0.1, 0.4), (1.6, 2.7), (3.2, 4.2)]), "not alike"


@pytest.mark.parametrize(
    ("text", "tokens", "wrong"),
    [
        ("开灯开灯开灯", 12, False),
        ("开灯开灯", 8, True),  # fewer
        ("开灯开灯开灯开灯", 16, True),  # more
        ("开灯", 4, True),  # 4 tokens in 3.2 s of speech
        ("三句不一样但是一样长的话", 14, False),
    ],
)
def test_a_text_with_more_or_fewer_rounds_than_the_sound_miscounts(
    text: str, tokens: int, wrong: bool
) -> None:
    assert miscounts(text, tokens, THREE) == wrong
    assert not miscounts(text, tokens, [(0.1, 4.2)])


def test_rounds_of_a_clip_meet_in_the_pauses() -> None:
    assert apart([(0.5, 1.0), (2.0, 3.0)], 4.0) == ((0.0, 1.5), (1.5, 4.0))


def words(*lengths: float, tokens: int = 1) -> list[TimedText]:
    """Words that follow each other."""
    found, at = [], 0.0
    for length in lengths:
        found.append(TimedText("w", at, at + length, 1.0, tuple(range(tokens))))
        at += length
    return found


def test_rounds_that_crowd_together_were_made_up() -> None:
    loop = (5, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 6)
    steady = [0.3] * len(loop)
    assert is_in_time(loop, words(*steady))
    crowded = steady[:9] + [0.02] * 5
    assert not is_in_time(loop, words(*crowded))
    assert not is_in_time((1, 2, 3), words(0.3, 0.3, 0.3)), "no loop at all"
    assert not is_in_time(loop, [])


def test_nobody_says_that_much_in_a_second() -> None:
    assert has_time(7, 1.0)
    assert not has_time(24, 1.9), "'Set white in Z3, no.' three times in 1.9 s was a loop"
    assert not has_time(38, 2.9)
