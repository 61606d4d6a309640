"""Simplified and traditional Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.script import Script, parse_script
from zhiyin.text.script import OpenCCScripts

SCRIPTS = OpenCCScripts()


@pytest.mark.parametrize(
    ("words", "script", "written"),
    [
        (["开", "灯", "，", "打开"], "traditional", ["開", "燈", "，", "打開"]),
        (["開", "燈"], "simplified", ["开", "灯"]),
        (["头", "发", "发", "财"], "traditional", ["頭", "髮", "發", "財"]),  # by neighbours
        (["Zoom", " 会议"], "traditional", ["Zoom", " 會議"]),
        (["开灯"], "", ["开灯"]),
        ([], "traditional", []),
    ],
)
def test_words_are_written_in_the_other_script(
    words: list[str], script: Script, written: list[str]
) -> None:
    assert SCRIPTS.convert(words, script) == written


@given(st.lists(st.text(alphabet="开发头里后干面台万与云a ，", max_size=4), max_size=8))
def test_every_word_keeps_its_place(words: list[str]) -> None:
    for script in ("simplified", "traditional"):
        assert list(map(len, SCRIPTS.convert(words, script))) == list(map(len, words))


def test_other_scripts_are_unknown() -> None:
    with pytest.raises(InvalidRequest) as wrong:
        parse_script("cursive")
    assert wrong.value.param == "script"
