"""What no log may hold: what was said, and whatever names a person, file or secret."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from functools import cache

from tests.support import media

SECRET = "canary7f3a"
"""Part of every key, token, prompt and name that a test sends in order to look for it."""

_SUFFIX = r"\.(?:wav|mp3|flac|ogg|opus|webm|m4a|mp4|amr|aac)\b"
_OTHERS = {
    "secret": SECRET,
    "address": r"(?<![\w.:])(?:127\.0\.0\.1|::1)(?![\w.:])",
    "e-mail": r"[\w.+-]+@[\w-]+\.\w+",
    "file name": rf"[\w-]+{_SUFFIX}",
    "query": r"\?\w+=",
    "Chinese": "[\u3400-\u9fff]",
}
_LETTERS = 5  # shorter words are in everybody's sentences
_HARMLESS = frozenset({
    "about", "because", "changed", "checked", "clean", "could", "every", "finish", "found", "large",
    "looked", "notes", "reached", "single", "small", "started", "starts", "three", "tools", "under",
    "waited",
})  # fmt: skip


def leaks(lines: Iterable[str]) -> list[str]:
    """What was found, and where."""
    return [f"{kind} {text!r} in {line.strip()!r}" for line in lines for kind, text in _found(line)]


def _found(line: str) -> Iterator[tuple[str, str]]:
    for kind, pattern in _OTHERS.items():
        for found in re.findall(pattern, line):
            yield kind, found
    for word in re.findall(r"[a-z]+", line.lower()):
        if word in spoken():
            yield "spoken word", word


@cache
def spoken() -> frozenset[str]:
    """The words of all test recordings that can't be in a log by chance."""
    with (media.AUDIO / "manifest.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        words = re.findall(r"[a-z]+", " ".join(r["reference"] for r in rows).lower())
    return frozenset(w for w in words if len(w) >= _LETTERS) - _HARMLESS
