"""Full-text search by n-grams: scripts with and without spaces, encrypted text too. Pure.

A term is found anywhere, also inside words; case, width, punctuation and, of Han characters, the
script (simplified, traditional, Japanese) don't count. The index knows only which one- and
two-character grams a text has, so a hit of the index is checked against the text itself.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from zhiyin.domain.han_variants import USUAL_FORMS
from zhiyin.domain.languages import separator, unspaced

MAX_QUERY_CHARS = 200
INDEX_VERSION = 1
"""Raised whenever `normalized` or `grams` change: what is stored is then indexed anew."""

UNFINDABLE = ("\0",)
"""Terms of a query without a letter or digit: no normalized text has them."""

_APART = frozenset("PSZC")  # Unicode's punctuation, symbols, spaces, controls
_NOTHING = frozenset("'’")  # "don't" is one word, found as "dont" too
_GAP = re.compile(r"\s+")


class _Plain(dict[int, str]):
    """For `str.translate`: one form of each character; what separates becomes a space.

    Looks at each character once.
    """

    def __missing__(self, point: int) -> str:
        char = chr(point)
        other = " " if unicodedata.category(char)[0] in _APART else USUAL_FORMS.get(char, char)
        self[point] = "" if char in _NOTHING else other
        return self[point]


_PLAIN = _Plain()
_USUAL = str.maketrans(USUAL_FORMS)


def normalized(text: str) -> str:
    """Lower case, one script, no punctuation, one space between words of spaced scripts."""
    words = unicodedata.normalize("NFKC", text).casefold().translate(_PLAIN).split()
    parts: list[str] = []
    for word in words:
        parts += [separator(parts[-1] if parts else "", word), word]
    return "".join(parts)


def terms(query: str) -> tuple[str, ...]:
    """The terms of a query; each must be found. None for a blank query."""
    found = (normalized(word) for word in _GAP.split(query))
    kept = tuple(dict.fromkeys(filter(None, found)))
    return kept or (UNFINDABLE if query.strip() else ())


def grams(text: str) -> set[str]:
    """Of normalized text: pairs of neighbours, and single characters of unspaced scripts."""
    found = {a + b for a, b in pairwise(text) if " " not in (a, b)}
    return found | {char for char in set(text) if unspaced(char)}


def found_in(wanted: tuple[str, ...], text: str) -> bool:
    """Whether a text, normalized or not, has all terms."""
    plain = normalized(text)
    return all(term in plain for term in wanted)


def excerpt(text: str, wanted: tuple[str, ...], chars: int) -> str:
    """At most `chars` characters of a text: around a term, else its beginning."""
    folded = text.casefold().translate(_USUAL)
    places = [place for term in wanted if (place := folded.find(term)) >= 0]
    begin = max(0, min(places, default=0) - chars // 4)
    if len(text) <= chars or begin == 0:
        return text if len(text) <= chars else f"{text[:chars]}…"
    begin = min(begin, len(text) - chars)
    end = "…" if begin + chars < len(text) else ""
    return f"…{text[begin : begin + chars]}{end}"
