"""Builds the transcript of a live session from its finals."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from zhiyin.domain.engine import ModelInfo
from zhiyin.domain.live import Final
from zhiyin.domain.options import DecodeOptions
from zhiyin.domain.transcript import Segment, Transcript


class TranscriptBuilder:
    """Collects finals. `latency_s` runs from the last sound to the last text."""

    def __init__(
        self,
        model: ModelInfo,
        decode: DecodeOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model.id
        self._model = model
        self._decode = decode
        self._segments: list[Segment] = []
        self._languages: dict[str, float] = {}
        self._clock = clock
        self._fed_at = self._emitted_at = clock()

    @property
    def latency_s(self) -> float:
        """Zero while sound still comes."""
        return max(0.0, self._emitted_at - self._fed_at)

    def fed(self) -> None:
        """Sound came."""
        self._fed_at = self._clock()

    def add(self, final: Final) -> None:
        """Text came."""
        self._emitted_at = self._clock()
        if final.text:
            segment = Segment(final.text, final.start, final.end, final.confidence)
            self._segments.append(replace(segment, display=final.display, language=final.language))
            seconds = self._languages.get(final.language, 0.0) + final.end - final.start
            self._languages[final.language] = seconds

    def transcript(self, duration_s: float) -> Transcript:
        """All of it; the language is the one with the most speech."""
        longest = max(self._languages, key=lambda code: self._languages[code], default="und")
        return Transcript(
            tuple(self._segments),
            language=self._decode.language or longest,
            language_probability=None,
            duration=duration_s,
            engine=self._model.engine,
            model=self._model.id,
            task=self._decode.task,
        )
