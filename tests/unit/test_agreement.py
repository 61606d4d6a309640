"""What two hypotheses in a row say alike is settled."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.core.live.agreement import (
    Agreement,
    AgreementPolicy,
    View,
    joined,
    settled_prefix,
    units_of,
)
from zhiyin.domain.transcript import Word

PACE = 0.5  # seconds per word


def words(text: str, start: float = 0.0) -> list[Word]:
    """Words of half a second each."""
    return [
        Word(part, start + i * PACE, start + (i + 1) * PACE, 1.0)
        for i, part in enumerate(text.split())
    ]


def heard(agreement: Agreement, text: str, start: float = 0.0, audio_end: float = 0.0) -> View:
    """A hypothesis over the sound from `start`; by default all of its words are past the edge."""
    said = words(text, start)
    return agreement.update(said, start, audio_end or said[-1].end + PACE, 0.0)


def after(*texts: str) -> View:
    """The text after hypotheses that begin at 0, each with a second of new sound."""
    agreement = Agreement(AgreementPolicy())
    view = agreement.view
    for i, text in enumerate(texts):
        view = agreement.update(words(text), 0.0, 10.0 + i, 0.0)
    return view


def test_two_in_a_row_settle_what_they_share() -> None:
    view = after("we meet at five", "we meet at nine tomorrow")
    assert (view.stable, view.unstable) == ("we meet at", " nine tomorrow")


def test_one_alone_settles_nothing() -> None:
    assert after("we meet at five") == View("", "we meet at five")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Hello World", "hello world"),
        ("hello, world", "Hello world."),
        ("ﬁne ①", "fine 1"),
        ("don’t go", "don't go"),
        ("caf\u00e9 x", "cafe\u0301 x"),
    ],
)
def test_case_width_and_punctuation_do_not_part(first: str, second: str) -> None:
    view = after(first, second)
    assert joined(units_of(words(view.stable))) == joined(units_of(words(second))).rstrip(".")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("今天天气", ["今", "天", "天", "气"]),
        ("カタカナ語", ["カ", "タ", "カ", "ナ", "語"]),
        ("か\u3099く", ["か\u3099", "く"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("用Python写2024年", ["用", "Python", "写", "2024", "年"]),
        ("안녕하세요", ["안녕하세요"]),
        ("नमस्ते", ["नमस्ते"]),
    ],
)
def test_scripts_without_spaces_fall_into_characters(text: str, parts: list[str]) -> None:
    units = units_of([Word(text, 1.0, 3.0, 0.5)])
    assert [u.core for u in units] == parts
    assert joined(units) == text
    assert units[0].word.start == 1.0
    assert units[-1].end == pytest.approx(3.0)
    assert all(a.end == pytest.approx(b.word.start) for a, b in pairwise(units))


def test_chinese_settles_by_character() -> None:
    agreement = Agreement(AgreementPolicy())
    agreement.update([Word("今天天汽", 0.0, 2.0, 1.0)], 0.0, 5.0, 0.0)
    view = agreement.update([Word("今天天气很好。", 0.0, 3.5, 1.0)], 0.0, 6.0, 0.0)
    assert (view.stable, view.unstable) == ("今天天", "气很好。")


def test_punctuation_settles_with_what_follows() -> None:
    """A decoder ends every text with a full stop."""
    assert after("we meet.", "we meet.") == View("we meet", ".")
    assert after("we meet.", "we meet, then", "we meet, then eat") == View("we meet, then", " eat")


def test_a_full_stop_that_was_the_end_of_the_sound_goes() -> None:
    assert after("we meet.", "we meet.", "we meet then").unstable == " then"


@pytest.mark.parametrize(
    "text",
    ["R & D costs 50% more", "“Good morning” he said", "a #1 hit", "「你好」他说"],
)
def test_signs_that_are_read_and_opening_marks_keep_their_place(text: str) -> None:
    assert joined(units_of(words(text))) == text
    agreement = Agreement(AgreementPolicy())
    assert agreement.close(words(text), 0.0)[0] == text


def test_punctuation_alone_is_no_text() -> None:
    assert units_of(words(". ... ！")) == []


def test_the_end_of_the_sound_is_not_eligible() -> None:
    policy = AgreementPolicy(edge_s=0.4, hindsight_s=0.0)
    agreement = Agreement(policy)
    agreement.update(words("one two three"), 0.0, 1.5, 0.0)
    view = agreement.update(words("one two three"), 0.0, 1.85, 0.0)
    assert view.stable == "one two"
    assert agreement.update(words("one two three"), 0.0, 2.2, 0.0).stable == "one two three"


def test_a_beginning_is_not_settled_before_enough_was_heard() -> None:
    agreement = Agreement(AgreementPolicy(edge_s=0.5, hindsight_s=3.5))
    for end in (3.0, 4.0, 5.4):
        assert agreement.update(words("one two"), 2.0, end, 2.0).stable == ""
    assert agreement.update(words("one two"), 2.0, 5.6, 2.0).stable == ""
    assert agreement.update(words("one two"), 2.0, 5.9, 2.0).stable == "one two"


def test_a_word_that_is_not_sure_waits_for_more_sound_and_so_do_those_after_it() -> None:
    agreement = Agreement(AgreementPolicy(sure=0.6, unsure_edge_s=3.0, hindsight_s=0.0))
    one, two, three = words("one two three")
    said = [one, replace(two, confidence=0.5), three]
    agreement.update(said, 0.0, 3.0, 0.0)
    assert agreement.update(said, 0.0, 3.5, 0.0).stable == "one"
    assert agreement.update(said, 0.0, 4.1, 0.0).stable == "one two three"


def test_hypotheses_over_nearly_the_same_sound_confirm_nothing() -> None:
    agreement = Agreement(AgreementPolicy(fresh_s=0.3))
    agreement.update(words("one two"), 0.0, 5.0, 0.0)
    assert agreement.update(words("one two"), 0.0, 5.2, 0.0).stable == ""
    assert agreement.update(words("one two"), 0.0, 5.4, 0.0).stable == "one two"


def test_who_never_agrees_is_believed_in_the_end() -> None:
    agreement = Agreement(AgreementPolicy(patience=3, stalled_s=4.0, trailing_s=2.0))
    views = [heard(agreement, f"v{i} two three four five six", audio_end=5 + i) for i in range(3)]
    assert [v.stable for v in views] == ["", "", "v2 two three four five six"]


def test_the_newest_words_are_never_forced() -> None:
    agreement = Agreement(AgreementPolicy(hindsight_s=0, patience=1, stalled_s=1.0, trailing_s=2.0))
    view = heard(agreement, "one two three four five six", audio_end=3.0)
    assert view.stable == "one two"


def test_there_is_no_force_while_little_was_said() -> None:
    agreement = Agreement(AgreementPolicy(patience=3, stalled_s=4.0))
    for i in range(9):
        assert heard(agreement, f"v{i} two", audio_end=2 + i / 3).stable == "" or i > 5


def test_a_window_that_begins_later_repeats_nothing() -> None:
    agreement = Agreement(AgreementPolicy())
    for _ in range(2):
        heard(agreement, "one two three four five six", audio_end=10)
        agreement.update(words("one two three four five six"), 0.0, 11.0, 0.0)
    view = agreement.update(words("five six seven eight", 2.0), 2.0, 12.0, 0.0)
    view = agreement.update(words("five six seven eight", 2.0), 2.0, 13.0, 0.0)
    assert view.stable == "one two three four five six seven eight"


def test_a_final_that_says_it_differently_keeps_what_was_settled() -> None:
    agreement = Agreement(AgreementPolicy())
    heard(agreement, "the cat sat", audio_end=9)
    heard(agreement, "the cat sat", audio_end=10)
    text, said = agreement.close(words("a cat sat down"), 0.0)
    assert text == "the cat sat down"
    assert [w.text for w in said] == ["the", "cat", "sat", "down"]


def test_a_final_that_hears_nothing_keeps_what_was_settled() -> None:
    agreement = Agreement(AgreementPolicy())
    heard(agreement, "the cat", audio_end=9)
    heard(agreement, "the cat", audio_end=10)
    assert agreement.close([], 0.0)[0] == "the cat"


def test_of_equal_distances_the_nearest_in_time_counts() -> None:
    stable, units = units_of(words("no no")), units_of(words("no no no no"))
    assert settled_prefix(stable, units) == 2


_PARTS = ["a", "b", "c", "你", "好", "R", "&", "D.", "x,", "!"]
_TEXT = st.lists(st.sampled_from(_PARTS), max_size=8).map(" ".join)


@given(st.lists(st.tuples(_TEXT, st.floats(0.0, 2.0), st.floats(0.0, 3.0)), max_size=12), _TEXT)
def test_settled_text_only_grows(heard: list[tuple[str, float, float]], last: str) -> None:
    agreement = Agreement(AgreementPolicy())
    told, end = [""], 1.0
    for text, window, more in heard:
        end += more
        told.append(agreement.update(words(text, window), window, end, 0.0).stable)
    told.append(agreement.close(words(last), 0.0)[0])
    for before, now in pairwise(told):
        assert now.startswith(before)
