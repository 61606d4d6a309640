"""Languages, joining, segments and subtitles."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.language_names import OTHER_NAMES
from zhiyin.domain.languages import LANGUAGES, parse_language, separator
from zhiyin.domain.segmenting import TimedText, split_words
from zhiyin.domain.subtitles import to_srt, to_vtt
from zhiyin.domain.transcript import Segment, join_texts


@pytest.mark.parametrize(
    ("given_name", "code"),
    [
        ("zh", "zh"),
        ("zh-CN", "zh"),
        ("zh_Hant_TW", "zh"),
        ("EN", "en"),
        ("Chinese", "zh"),
        ("Mandarin", "zh"),
        ("english", "en"),
        ("yue", "yue"),
        ("auto", None),
        ("", None),
        (" de ", "de"),
        ("haitian creole", "ht"),
        ("chi", "zh"),
        ("zho", "zh"),
        ("cmn-Hans-CN", "zh"),
        ("eng", "en"),
        ("ger", "de"),
        ("deu", "de"),
        ("fre", "fr"),
        ("fra", "fr"),
        ("JPN", "ja"),
        ("普通话", "zh"),
        ("國語", "zh"),
        ("繁體中文", "zh"),
        ("Chinese (Traditional)", "zh"),
        ("英语", "en"),
        ("廣東話", "yue"),
        ("zh-yue-HK", "yue"),
        ("Deutsch", "de"),
        ("français", "fr"),
        ("Francais", "fr"),
        ("ESPAÑOL", "es"),
        ("русский", "ru"),
        ("한국어", "ko"),
        ("हिन्दी", "hi"),
        ("tiếng việt", "vi"),
        ("zh_CN", "zh"),
        ("en_US.UTF-8", "en"),
        ("de_DE@euro", "de"),
        ("nb-NO", "no"),
        ("null", None),
        ("None", None),
        ("undefined", None),
        ("und", None),
        ("自动", None),
    ],
)
def test_languages_are_read_as_people_write_them(given_name: str, code: str | None) -> None:
    assert parse_language(given_name) == code


@pytest.mark.parametrize(
    "bad",
    ["klingon", "xx", "e", "zz-ZZ", "<script>", "中", "C.UTF-8", "null.txt", "(en)", "-", "en en"],
)
def test_unknown_languages_are_refused(bad: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        parse_language(bad)
    assert error.value.param == "language"


def test_every_language_has_its_three_letter_code_and_no_name_means_two() -> None:
    codes = {code for name, code in OTHER_NAMES if len(name) == 3 and name.isascii()}
    assert codes | {"haw", "yue"} == set(LANGUAGES)
    meant: dict[str, set[str | None]] = {}
    for name, code in OTHER_NAMES:
        meant.setdefault(name, set()).update({code, parse_language(name), parse_language(code)})
    assert {name: codes for name, codes in meant.items() if len(codes) > 1} == {}


def test_there_are_a_hundred_languages() -> None:
    assert len(LANGUAGES) == 100
    assert all(parse_language(name) == code for code, name in LANGUAGES.items())


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["Hello.", "World."], "Hello. World."),
        (["你好。", "世界"], "你好。世界"),
        (["我用", "Python"], "我用Python"),
        (["สวัสดี", "ครับ"], "สวัสดีครับ"),
        (["안녕", "하세요"], "안녕 하세요"),
        (["", "a", "", "b"], "a b"),
        ([], ""),
    ],
)
def test_texts_join_as_their_script_does(parts: list[str], whole: str) -> None:
    assert join_texts(parts) == whole


@given(st.text(), st.text())
def test_separator_is_a_space_or_nothing(one: str, other: str) -> None:
    assert separator(one, other) in ("", " ")


timed = st.lists(
    st.tuples(
        st.sampled_from([" word", " Mr.", " end.", "词", "，", "。", " longer-word,", " 3.5"]),
        st.floats(0, 2),
        st.floats(0.05, 1),
    ),
    min_size=1,
    max_size=120,
)


@given(timed, st.sampled_from(["en", "zh"]))
def test_splitting_words_loses_nothing(
    parts: list[tuple[str, float, float]], language: str
) -> None:
    words: list[TimedText] = []
    now = 0.0
    for text, gap, length in parts:
        words.append(TimedText(text, now + gap, now + gap + length, 1.0))
        now += gap + length
    groups = split_words(words, language)
    assert [w for g in groups for w in g] == words
    assert all(groups)
    for group in groups:
        if len(group) > 1:
            assert group[-1].end - group[0].start <= 10.0


def _words(*texts: str) -> list[TimedText]:
    return [TimedText(t, i * 0.3, i * 0.3 + 0.3, 1.0) for i, t in enumerate(texts)]


def test_sentences_end_segments_and_abbreviations_do_not() -> None:
    words = _words(" Mr.", " Smith", " paid", " 3.5", " dollars.", " He", " left.")
    groups = split_words(words, "en")
    assert ["".join(w.text for w in g).strip() for g in groups] == [
        "Mr. Smith paid 3.5 dollars.",
        "He left.",
    ]


def test_long_chinese_is_cut_at_its_comma() -> None:
    words = _words(
        *"今天我们大家一起去公园里面散步聊天", "，", *"然后再去那家新开的饭馆吃一顿非常丰盛的晚饭"
    )
    first, *_ = split_words(words, "zh")
    assert "".join(w.text for w in first).endswith("，")


SEGMENTS = [
    Segment("Hello <b>&\n\nworld", 0.0, 1.2345, 1.0),
    Segment("二", 3661.5, 3662.0, 1.0),
]


def test_srt_is_exact() -> None:
    assert to_srt(SEGMENTS) == (
        "1\n00:00:00,000 --> 00:00:01,234\nHello <b>& world\n\n"
        "2\n01:01:01,500 --> 01:01:02,000\n二\n"
    )


def test_vtt_is_exact_and_escaped() -> None:
    assert to_vtt(SEGMENTS) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.234\nHello &lt;b&gt;&amp; world\n\n"
        "01:01:01.500 --> 01:01:02.000\n二\n"
    )


@given(st.floats(0, 400_000), st.floats(0, 100))
def test_times_are_always_well_formed(start: float, length: float) -> None:
    line = to_srt([Segment("x", start, start + length, 1.0)]).splitlines()[1]
    assert re.fullmatch(r"\d{2,}:[0-5]\d:[0-5]\d,\d{3} --> \d{2,}:[0-5]\d:[0-5]\d,\d{3}", line)
