"""How text is found, in scripts with and without spaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.domain.han_variants import USUAL_FORMS
from zhiyin.domain.search import excerpt, found_in, grams, normalized, terms

TEXT = "打开客厅的灯，好吗？Don't forget: Whisper-Base 版本 ２．０ is READY"


@pytest.mark.parametrize(
    "query",
    ["客厅", "灯", "的灯好吗", "灯 客厅", "dont", "don't", "FORGET", "whisper base", "版本2",
     "ready", "eady", "base版本", "灯，", "  ", "2.0", "打開", "客廳", "👍 灯"],
)  # fmt: skip
def test_found(query: str) -> None:
    assert found_in(terms(query), TEXT)


@pytest.mark.parametrize(
    "query",
    ["卧室", "灯客厅", "客厅 卧室", "forgets", "notready", "，", "😀", "!?", "\0", "🇨🇳", "❤️"],
)
def test_not_found(query: str) -> None:
    assert not found_in(terms(query), TEXT)


@pytest.mark.parametrize(
    ("one", "other"),
    [("身体健康", "身體健康"), ("头发", "頭髮"), ("发展", "發展"), ("台湾", "臺灣"),
     ("里面", "裡面"), ("裏面", "裡面"), ("着急", "著急"), ("为什么", "為什麼"),
     ("为什么", "爲什麽"), ("干净", "乾淨"), ("国", "國"),
     ("沢", "澤"), ("发", "発"), ("气", "気"), ("鐘", "钟")],
)  # fmt: skip
def test_scripts_of_chinese_are_the_same(one: str, other: str) -> None:
    for text, query in ((one, other), (other, one)):
        assert found_in(terms(query), f"他说{text}。")
        long = "中" * 500 + text + "中" * 500
        assert text in excerpt(long, terms(query), 100)


def test_the_table_has_one_form_of_each_kind() -> None:
    assert len(USUAL_FORMS) > 3000
    assert not set(USUAL_FORMS) & set(USUAL_FORMS.values())
    assert all(len(char) == len(form) == 1 for char, form in USUAL_FORMS.items())
    for apart in ("人入", "土士", "日曰", "未末", "已己", "太大"):
        assert normalized(apart[0]) != normalized(apart[1])


def test_marks_of_indic_scripts_are_no_separators() -> None:
    assert normalized("नमस्ते दुनिया!") == "नमस्ते दुनिया"


@given(st.text(max_size=60), st.integers(0, 60), st.integers(1, 20))
def test_the_index_misses_nothing(text: str, begin: int, length: int) -> None:
    """Whatever is found in the text has all its grams in the index."""
    wanted = terms(text[begin : begin + length])
    if found_in(wanted, text):
        indexed = grams(normalized(text))
        assert all(grams(term) <= indexed for term in wanted)


@given(st.text(max_size=60))
def test_normalizing_twice_changes_nothing(text: str) -> None:
    assert normalized(normalized(text)) == normalized(text)


def test_an_excerpt_shows_the_place() -> None:
    text = "一" * 500 + "打开客厅的灯" + "二" * 500
    shown = excerpt(text, terms("客厅"), 100)
    assert "客厅" in shown
    assert len(shown) <= 102
    assert excerpt(text, (), 100) == "一" * 100 + "…"
    assert excerpt("short", terms("zzz"), 100) == "short"
    assert excerpt("一" * 500 + "the end", terms("END"), 100) == "…" + "一" * 93 + "the end"
