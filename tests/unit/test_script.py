"""The scripts of Chinese: which one is wanted, and writing it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.options import TextOptions
from zhiyin.domain.script import (
    SCRIPTS,
    Script,
    parse_script,
    resolve_script,
    script_of_tag,
    script_of_tags,
)
from zhiyin.ports.text import TextContext
from zhiyin.text.script import ScriptConversion, convert


@pytest.mark.parametrize(
    ("words", "script", "written"),
    [
        (["开", "灯", "，", "打开"], "traditional", ["開", "燈", "，", "打開"]),
        (["開", "燈"], "simplified", ["开", "灯"]),
        (["头", "发", "发", "财"], "traditional", ["頭", "髮", "發", "財"]),  # by neighbours
        (["Zoom", " 会议"], "traditional", ["Zoom", " 會議"]),
        (["里", "面", "台", "湾"], "traditional-tw", ["裡", "面", "臺", "灣"]),
        (["里", "面", "台", "湾"], "traditional-hk", ["裏", "面", "台", "灣"]),
        (["打開", "电", "視"], "simplified", ["打开", "电", "视"]),  # mixed
        ([], "traditional", []),
    ],
)
def test_words_are_written_in_the_other_script(
    words: list[str], script: Script, written: list[str]
) -> None:
    assert convert(words, script) == written


@given(st.lists(st.text(alphabet="开发头里后干面台万与云a ，", max_size=4), max_size=8))
def test_every_word_keeps_its_place(words: list[str]) -> None:
    for script in SCRIPTS:
        if script != "as-is":
            assert list(map(len, convert(words, script))) == list(map(len, words))


def test_other_scripts_are_unknown() -> None:
    with pytest.raises(InvalidRequest) as wrong:
        parse_script("cursive")
    assert wrong.value.param == "script"
    assert "traditional-tw" in wrong.value.message


@pytest.mark.parametrize(
    ("tag", "script"),
    [
        ("zh", ""), ("yue", ""), ("", ""), ("auto", ""), ("en", ""), ("en-HK", ""), ("ms-MY", ""),
        ("zh-CN", "simplified"), ("zh_sg", "simplified"), ("zh-Hans", "simplified"),
        ("zh-Hans-HK", "simplified"), ("zh-Hant", "traditional"), ("zh-TW", "traditional-tw"),
        ("zh-Hant-TW", "traditional-tw"), ("zh-HK", "traditional-hk"), ("zh-MO", "traditional-hk"),
        ("yue-HK", "traditional-hk"), ("yue-Hans", "simplified"), ("zh-Hant-CN", "traditional"),
        ("cmn-Hant-TW", "traditional-tw"), ("zho-TW", "traditional-tw"), ("chi_CN", "simplified"),
        ("zh_TW.UTF-8", "traditional-tw"), ("zh_CN.GB18030", "simplified"),
        ("zh-CHT", "traditional"), ("zh-CHS", "simplified"), ("zh-cmn-Hans", "simplified"),
        ("zh-yue-HK", "traditional-hk"), ("chinese-TW", "traditional-tw"),
        ("繁體中文", "traditional"), ("简体中文", "simplified"), ("正體中文", "traditional-tw"),
        ("Chinese (Traditional)", "traditional"), ("traditional chinese", "traditional"),
        ("中文（简体）", "simplified"), ("ja-TW", ""), ("klingon-TW", ""), ("null", ""),
    ],
)  # fmt: skip
def test_a_language_tag_names_its_script(tag: str, script: Script) -> None:
    assert script_of_tag(tag) == script


def test_of_several_tags_the_first_with_a_script_decides() -> None:
    assert script_of_tags(["", "en", "zh-TW", "zh-CN"]) == "traditional-tw"
    assert script_of_tags(["en", "zh"]) == ""


@pytest.mark.parametrize(
    ("wanted", "operators", "language", "script"),
    [
        ("", "", "zh", "simplified"),
        ("", "", "yue", "traditional-hk"),
        ("", "traditional-tw", "zh", "traditional-tw"),
        ("simplified", "traditional-tw", "zh", "simplified"),
        ("as-is", "traditional-tw", "zh", "as-is"),
        ("", "as-is", "zh", "as-is"),
        ("traditional", "simplified", "ja", "as-is"),
        ("traditional", "", "en", "as-is"),
    ],
)
def test_the_callers_wish_goes_before_the_operators(
    wanted: Script, operators: Script, language: str, script: Script
) -> None:
    assert resolve_script(wanted, operators, language) == script


def test_japanese_is_left_alone() -> None:
    step = ScriptConversion()
    words = ["学校", "で", "会", "う"]
    assert step.spell(words, TextContext("ja", TextOptions("traditional"))) == words


def test_the_operators_default_is_part_of_the_edition() -> None:
    assert ScriptConversion("simplified").edition != ScriptConversion().edition
