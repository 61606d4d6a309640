"""Error rates: how far a text is from its reference, in units fit for the language."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from opencc import OpenCC
from rapidfuzz.distance import Levenshtein
from whisper_normalizer.english import EnglishTextNormalizer

from zhiyin.scoring.numerals import digits

Metric = Literal["WER", "CER", "MER"]

_CHINESE = frozenset({"zh", "yue"})
_UNSPACED = frozenset({"ja", "th", "lo", "my", "km", "bo"})
_MIXED = "zh-en"
# whisper-normalizer adds these to the original's rules; without them the two are equal.
_NOT_WHISPERS = (r"\bkinda\b", r"\bsorta\b", r"\bdunno\b", r"\bcause\b")
_APOSTROPHES = str.maketrans("", "", "'’ʼ")


@dataclass(frozen=True, slots=True)
class Edits:
    """Edits that turn the reference into the result; `units` of reference."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    units: int = 0

    @property
    def total(self) -> int:
        """All edits together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def percent(self) -> float | None:
        """Error rate in percent (above 100 with many insertions); None without a reference."""
        return 100 * self.total / self.units if self.units else None

    def __add__(self, other: Edits) -> Edits:
        return Edits(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.units + other.units,
        )


def total(edits: Iterable[Edits]) -> Edits:
    """The sum, whose `percent` is the micro-average."""
    return sum(edits, Edits())


def metric(lang: str) -> Metric:
    """What is counted for a language: words, characters, or both mixed."""
    if lang == _MIXED:
        return "MER"
    return "CER" if lang in _CHINESE | _UNSPACED else "WER"


def score(reference: str, result: str, lang: str) -> Edits:
    """Compare two texts of a language after normalizing both in the same way."""
    wanted, got = units(reference, lang), units(result, lang)
    steps = Levenshtein.editops(wanted, got)
    tags = [step.tag for step in steps]
    return Edits(tags.count("replace"), tags.count("delete"), tags.count("insert"), len(wanted))


def units(text: str, lang: str) -> list[str]:
    """What edits are counted in, after normalization: words or characters."""
    split: Callable[[str], list[str]]
    if lang == "en":
        split = _english
    elif lang == _MIXED:
        split = _mixed
    elif lang in _CHINESE:
        split = _chinese
    else:
        split = _characters if lang in _UNSPACED else _words
    return split(text)


def visible_characters(text: str) -> int:
    """Letters and digits in a text."""
    return len(_letters(unicodedata.normalize("NFKC", text)))


def _english(text: str) -> list[str]:
    return _english_normalizer()(text).split()


def _chinese(text: str) -> list[str]:
    return _letters(_simplified(text))


def _mixed(text: str) -> list[str]:
    apart = (f" {c} " if _is_han(c) else c for c in _simplified(text).translate(_APOSTROPHES))
    return _spaced("".join(apart)).split()


def _characters(text: str) -> list[str]:
    return _letters(_folded(text), "LNM")


def _words(text: str) -> list[str]:
    return _spaced(_folded(text)).split()


def _simplified(text: str) -> str:
    return digits(_to_simplified()(_folded(text)))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _letters(text: str, kept: str = "LN") -> list[str]:
    return [c for c in text if unicodedata.category(c)[0] in kept]


def _spaced(text: str) -> str:
    return "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in text)


def _is_han(char: str) -> bool:
    return unicodedata.name(char, "").startswith("CJK UNIFIED") or char == "〇"


@cache
def _to_simplified() -> Callable[[str], str]:
    converter = OpenCC("t2s")
    return lambda text: str(converter.convert(text))


@cache
def _english_normalizer() -> Callable[[str], str]:
    normalizer = EnglishTextNormalizer()
    for rule in _NOT_WHISPERS:
        normalizer.replacers.pop(rule, None)
    return lambda text: str(normalizer(text))
