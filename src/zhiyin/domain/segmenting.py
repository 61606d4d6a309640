"""Subtitle segmentation: groups words into caption-sized segments. Pure.

Limits follow common subtitle practice: two lines of about 42 Latin or 20 CJK characters, no more
than ten seconds (Netflix Timed Text Style Guide, General Requirements).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from zhiyin.domain.languages import UNSPACED

MAX_SECONDS = 10.0
MAX_CHARS = 84
MAX_CHARS_UNSPACED = 40
PAUSE = 0.8
"""Seconds without a word that end a segment."""

_ENDS = tuple(".?!。？！…؟।")
_CLAUSES = tuple(",;:，；：、،—")
_ABBREVIATIONS = frozenset(
    ["mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "etc", "e.g", "i.e", "no"]
)


@dataclass(frozen=True, slots=True)
class TimedText:
    """A word as the decoder wrote it, leading space included; seconds; its tokens."""

    text: str
    start: float
    end: float
    confidence: float
    tokens: tuple[int, ...] = ()


def split_words(words: Sequence[TimedText], language: str) -> list[list[TimedText]]:
    """The words in groups, each a segment, none empty; nothing is lost or reordered."""
    limit = MAX_CHARS_UNSPACED if language in UNSPACED else MAX_CHARS
    groups: list[list[TimedText]] = []
    for sentence in _sentences(words):
        groups.extend(_shortened(sentence, limit))
    return groups


def _sentences(words: Sequence[TimedText]) -> list[list[TimedText]]:
    groups: list[list[TimedText]] = []
    current: list[TimedText] = []
    for i, word in enumerate(words):
        current.append(word)
        following = words[i + 1] if i + 1 < len(words) else None
        if following is None or _ends(word, following):
            groups.append(current)
            current = []
    return groups


def _ends(word: TimedText, following: TimedText) -> bool:
    if following.start - word.end >= PAUSE:
        return True
    text = word.text.strip()
    if not text.endswith(_ENDS):
        return False
    if text.endswith("."):
        starts_new = following.text[:1] == " " and not following.text.strip()[:1].islower()
        return starts_new and text.rstrip(".").lower() not in _ABBREVIATIONS
    return True


def _shortened(words: list[TimedText], limit: int) -> list[list[TimedText]]:
    """Split at the best place near the middle until every part fits."""
    seconds = words[-1].end - words[0].start
    chars = sum(len(w.text) for w in words)
    if len(words) < 2 or (seconds <= MAX_SECONDS and chars <= limit):
        return [words]
    at = _best_break(words)
    return _shortened(words[:at], limit) + _shortened(words[at:], limit)


def _best_break(words: list[TimedText]) -> int:
    """Index to cut before: clause ends and pauses speak for it, distance from the middle not."""
    total = sum(len(w.text) for w in words)
    usual = median((w.end - w.start) / max(1, len(w.text)) for w in words)
    best, best_score, before = 1, float("-inf"), 0
    for i in range(1, len(words)):
        before += len(words[i - 1].text)
        gap = _pause(words[i - 1], words[i], usual)
        clause = words[i - 1].text.strip().endswith(_CLAUSES)
        score = 2.0 * gap + (0.5 if clause else 0.0) - abs(before / total - 0.5)
        if score > best_score:
            best, best_score = i, score
    return best


def _pause(word: TimedText, following: TimedText, usual: float) -> float:
    """Seconds of silence after a word; the decoder often hides them in the word's own length."""
    excess = word.end - word.start - 2.5 * usual * max(1, len(word.text))
    return max(0.0, following.start - word.end) + max(0.0, excess)
