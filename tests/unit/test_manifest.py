"""The manifest of `zhiyin calibrate`, and what of it is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from zhiyin.cli import manifest
from zhiyin.cli.calibrate import windows
from zhiyin.cli.manifest import Selection
from zhiyin.domain.errors import InvalidRequest

BOTH = Selection(frozenset({"en", "zh"}), 28.0)


def lines(tmp_path: Path, *rows: str) -> list[manifest.Line]:
    path = tmp_path / "m.tsv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return manifest.read(path)


def names(found: list[manifest.Line], selection: Selection = BOTH) -> list[str]:
    return [file.path.name for file in selection.apply(found)]


def test_three_columns_are_enough_in_any_order(tmp_path: Path) -> None:
    found = lines(tmp_path, "reference\tnote\tfile\tlang", ' "Hi" \t?\tsub/a.wav\ten')
    (file,) = BOTH.apply(found)
    assert (file.path, file.language, file.reference) == (tmp_path / "sub/a.wav", "en", '"Hi"')


def test_what_cannot_be_held_against_a_text_is_left_out(tmp_path: Path) -> None:
    found = lines(
        tmp_path,
        "file\tlang\treference\tgrade\ttags\tseconds",
        "good\ten\thi\tA\tclean\t3",
        "also\tzh\t你好\tB\t\t",
        "guess\ten\thi\tU\t\t3",
        "numbers\ten\tone\tA\tclean,digits\t3",
        "long\ten\thi\tA\t\t28.5",
        "mute\ten\t\tA\t\t3",
        "other\tde\thallo\tA\t\t3",
    )
    assert names(found) == ["good", "also"]


def test_a_limit_holds_for_each_language_and_spreads(tmp_path: Path) -> None:
    rows = [f"{lang}{i}\t{lang}\thi" for lang in ("en", "zh") for i in range(6)]
    found = lines(tmp_path, "file\tlang\treference", *rows)
    assert names(found, Selection(frozenset({"en", "zh"}), 28.0, 2)) == [
        "en0", "en3", "zh0", "zh3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["file\tlang", "a\ten"], "line 1: the header has no column reference"),
        ([""], "line 1: the header has no column file, lang, reference"),
        (["file\tlang\treference", "a\ten\thi", "b"], "line 3: lang is empty"),
        (["file\tlang\treference\tseconds", "a\ten\thi\tfew"], "line 2: seconds is 'few'"),
    ],
)
def test_a_bad_line_is_named(rows: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=words):
        lines(tmp_path, *rows)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_bytes(b"file\tlang\treference\n\xff\xfe\ten\thi\n")
    for path in (tmp_path / "m.tsv", tmp_path / "none.tsv", tmp_path):
        with pytest.raises(InvalidRequest, match=str(path)):
            manifest.read(path)


def test_windows() -> None:
    assert windows("") == ()
    assert windows("8+3, 12.5+0") == ((8.0, 3.0), (12.5, 0.0))


@pytest.mark.parametrize("text", ["8", "8+", "0+3", "31+3", "8+-1", "a+b", "nan+1"])
def test_wrong_windows_are_explained(text: str) -> None:
    with pytest.raises(InvalidRequest, match="FLOOR"):
        windows(text)
