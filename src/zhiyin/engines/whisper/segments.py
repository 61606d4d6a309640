"""From a hypothesis and its aligned words to segments."""

from __future__ import annotations

from zhiyin.domain.segmenting import TimedText, split_words
from zhiyin.domain.transcript import DecodingStats, Segment, Word
from zhiyin.engines.whisper.guard import Hypothesis


def to_segments(
    hypothesis: Hypothesis, words: list[TimedText], language: str, seconds: float, with_words: bool
) -> tuple[Segment, ...]:
    """Segments with times in seconds from the start of the audio, of `seconds` length.

    Without words (the alignment found none) all of it is one segment.
    """
    if not words:
        whole = TimedText(hypothesis.text, 0.0, seconds, 0.0, hypothesis.tokens)
        return (_segment(hypothesis, [whole], with_words),)
    groups = split_words(words, language)
    return tuple(_segment(hypothesis, group, with_words) for group in groups)


def _segment(hypothesis: Hypothesis, words: list[TimedText], with_words: bool) -> Segment:
    spoken = [w for w in words if _clean(w.text)]
    return Segment(
        text=_clean("".join(w.text for w in words)),
        start=words[0].start,
        end=words[-1].end,
        confidence=sum(w.confidence for w in words) / len(words),
        words=tuple(Word(_clean(w.text), w.start, w.end, w.confidence) for w in spoken)
        if with_words
        else (),
        stats=DecodingStats(
            tokens=tuple(t for w in words for t in w.tokens),
            temperature=hypothesis.temperature,
            avg_logprob=hypothesis.avg_logprob,
            compression_ratio=hypothesis.compression_ratio,
            no_speech_prob=hypothesis.no_speech_prob,
        ),
    )


def _clean(text: str) -> str:
    """Without the replacement characters of a token sequence that begins inside a character."""
    return text.replace("\ufffd", "").strip()
