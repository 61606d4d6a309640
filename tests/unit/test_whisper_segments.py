"""Segments and words out of what the decoder wrote."""

from __future__ import annotations

import pytest

from zhiyin.core.live.agreement import joined, units_of
from zhiyin.domain.segmenting import TimedText
from zhiyin.domain.transcript import Word
from zhiyin.engines.whisper.guard import Hypothesis
from zhiyin.engines.whisper.segments import to_segments, without_echo


def _words(*parts: str) -> tuple[Word, ...]:
    text = "".join(parts)
    said = Hypothesis((1,), text.strip(), -0.2, 0.0, 0.0, finished=True)
    timed = [TimedText(p, i * 0.5, i * 0.5 + 0.5, 0.25 * (i + 1)) for i, p in enumerate(parts)]
    segments = to_segments(said, timed, "en", len(parts) * 0.5, with_words=True)
    return tuple(word for segment in segments for word in segment.words)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((" a", " well", "-known", " man"), ["a", "well-known", "man"]),
        ((" costs", " $3", ".5", " or", " 1", ",000"), ["costs", "$3.5", "or", "1,000"]),
        ((" the", " U", ".S."), ["the", "U.S."]),
        (("总", "共", "1.", "2", "万"), ["总", "共", "1.2", "万"]),
        (("13", "62", "8", "66"), ["1362866"]),
        (("公布", "了,", "SA,", "MOS"), ["公布", "了,", "SA,", "MOS"]),
        (("了,", "3", "月"), ["了,", "3", "月"]),
        ((" One.", "Two"), ["One.", "Two"]),
    ],
)
def test_what_is_written_without_a_space_is_one_word(
    parts: tuple[str, ...], words: list[str]
) -> None:
    assert [word.text for word in _words(*parts)] == words


def test_a_word_of_several_parts_lasts_as_long_as_they_and_is_as_sure() -> None:
    (word,) = _words(" 3", ".5")
    assert (word.start, word.end, word.confidence) == (0.0, 1.0, 0.375)


@pytest.mark.parametrize("text", ["总共1.2万元", "电话13628066930", "a well-known 3.5 %"])
def test_live_text_is_written_as_the_decoder_wrote_it(text: str) -> None:
    parts = [c if c != " " else "" for c in text]
    spaced = [" " + c if i and text[i - 1] == " " else c for i, c in enumerate(parts)]
    assert joined(units_of(_words(*filter(None, spaced)))) == text


def _timed(text: str, seconds: float, begin: float = 0.0) -> list[TimedText]:
    spoken = enumerate(text.split())
    return [
        TimedText(" " + w, begin + i * seconds, begin + (i + 1) * seconds, 0.9) for i, w in spoken
    ]


def test_a_phrase_said_again_in_no_time_was_not_said() -> None:
    said = _timed("Set white in Z3, no.", 0.4)
    assert without_echo(said + _timed("set white in Z3, no.", 0.0, 2.0)) == said


def test_a_phrase_that_takes_its_time_was_said_twice() -> None:
    said = _timed("we will rock we will rock", 0.3)
    assert without_echo(said) == said


@pytest.mark.parametrize("end", ["who knows that", "two three", ""])
def test_words_without_time_that_say_something_else_stay(end: str) -> None:
    said = _timed("one two three", 0.3) + _timed(end, 0.0, 0.9)
    assert without_echo(said) == said
