"""Transcript, segments and words with timestamps: seconds from the start of the recording."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from zhiyin.domain.audio import Notice
from zhiyin.domain.languages import separator


@dataclass(frozen=True, slots=True)
class Word:
    """One word (one character group in scripts without spaces); confidence in [0, 1]."""

    text: str
    start: float
    end: float
    confidence: float

    def shifted(self, offset: float) -> Word:
        """The same word, `offset` seconds later."""
        return replace(self, start=self.start + offset, end=self.end + offset)


@dataclass(frozen=True, slots=True)
class DecodingStats:
    """Decoder statistics of a segment; each figure means what it does in OpenAI Whisper.

    `avg_logprob` is the mean log-probability per token (natural log), `compression_ratio` the
    ratio of UTF-8 bytes to their zlib size, `no_speech_prob` in [0, 1].
    """

    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 0.0
    no_speech_prob: float = 0.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A caption-sized stretch of text; confidence in [0, 1].

    `text` is the lexical text, what was said word for word; `display` what people read, empty
    when it is the same. `language` is the code of the language that was spoken, empty where that
    is not known.
    """

    text: str
    start: float
    end: float
    confidence: float
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    stats: DecodingStats = DecodingStats()
    display: str = ""
    language: str = ""

    @property
    def shown(self) -> str:
        """The display text."""
        return self.display or self.text

    def shifted(self, offset: float) -> Segment:
        """The same segment, `offset` seconds later."""
        words = tuple(w.shifted(offset) for w in self.words)
        return replace(self, start=self.start + offset, end=self.end + offset, words=words)


@dataclass(frozen=True, slots=True)
class Transcript:
    """The result for one recording.

    `duration` is the decoded audio in seconds; `language_probability` is None when the caller
    named the language.
    """

    segments: tuple[Segment, ...]
    language: str
    language_probability: float | None
    duration: float
    engine: str
    model: str
    task: str = "transcribe"
    notices: tuple[Notice, ...] = ()

    @property
    def text(self) -> str:
        """The display text of all segments, joined as their script writes it."""
        return join_texts(s.shown for s in self.segments)

    @property
    def text_language(self) -> str:
        """The language the text is written in: English after translation."""
        return "en" if self.task == "translate" else self.language


def join_texts(texts: Iterable[str]) -> str:
    """Segment texts as one text: with spaces between, or without in scripts that have none."""
    parts: list[str] = []
    for text in filter(None, texts):
        parts += [separator(parts[-1] if parts else "", text), text]
    return "".join(parts)
