"""From a hypothesis and its aligned words to segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from zhiyin.domain.languages import separator
from zhiyin.domain.segmenting import TimedText, split_words
from zhiyin.domain.transcript import DecodingStats, Segment, Word
from zhiyin.engines.whisper.guard import Hypothesis

_MARKS = frozenset(".,:;!?")
_ECHO_WORDS = 3
_NO_TIME_S = 0.03  # a step of the alignment is 0.02


def to_segments(
    hypothesis: Hypothesis, words: list[TimedText], language: str, seconds: float, with_words: bool
) -> tuple[Segment, ...]:
    """Segments with times in seconds from the start of the audio, of `seconds` length.

    Without words (the alignment found none) all of it is one segment.
    """
    words = without_echo(words)
    if not words:
        whole = TimedText(hypothesis.text, 0.0, seconds, 0.0, hypothesis.tokens)
        return (_segment(hypothesis, [whole], with_words),)
    groups = split_words(words, language)
    return tuple(_segment(hypothesis, group, with_words) for group in groups)


def without_echo(words: list[TimedText]) -> list[TimedText]:
    """Without words at the end that repeat the last ones and have no time for it.

    The decoder had gone round once; a loop of two is too short for the other guards.
    """
    texts = [_clean(w.text).casefold() for w in words]
    for size in range(len(words) // 2, _ECHO_WORDS - 1, -1):
        again = words[-size:]
        timeless = all(w.end - w.start < _NO_TIME_S for w in again)
        if timeless and texts[-size:] == texts[-2 * size : -size]:
            return words[:-size]
    return words


def _segment(hypothesis: Hypothesis, words: list[TimedText], with_words: bool) -> Segment:
    with_text = [w for w in words if _clean(w.text)]
    return Segment(
        text=_clean(_text(words)),
        start=words[0].start,
        end=words[-1].end,
        confidence=sum(w.confidence for w in words) / len(words),
        words=tuple(_word(parts) for parts in _written(with_text)) if with_words else (),
        stats=DecodingStats(
            tokens=tuple(t for w in words for t in w.tokens),
            temperature=hypothesis.temperature,
            avg_logprob=hypothesis.avg_logprob,
            compression_ratio=hypothesis.compression_ratio,
            no_speech_prob=hypothesis.no_speech_prob,
        ),
    )


def _written(words: Iterable[TimedText]) -> list[list[TimedText]]:
    """The parts of each word: the decoder gives "3", ".5" and "13", "62" with no space."""
    found: list[list[TimedText]] = []
    for word in words:
        if found and _is_one_word(_text(found[-1]), word.text):
            found[-1].append(word)
        else:
            found.append([word])
    return found


def _is_one_word(before: str, after: str) -> bool:
    """Nothing stands between the two, though a space would between words of their script."""
    if before[-1:].isspace() or after[:1].isspace() or not separator(before, after):
        return False
    if before[-1] in _MARKS:
        return before[-2:-1].isdigit() and after[0].isdigit()
    return True


def _word(parts: Sequence[TimedText]) -> Word:
    return Word(
        _clean(_text(parts)), parts[0].start, parts[-1].end, fmean(p.confidence for p in parts)
    )


def _text(parts: Iterable[TimedText]) -> str:
    return "".join(part.text for part in parts)


def _clean(text: str) -> str:
    """Without the replacement characters of a token sequence that begins inside a character."""
    return text.replace("\ufffd", "").strip()
