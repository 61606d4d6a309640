"""A live session's way to the engine: work in, words on the clock of the stream out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import groupby

from zhiyin.core.live.streams import SegmentStreams
from zhiyin.core.live.utterance import DecodeRequest, Hypothesis
from zhiyin.core.scheduling.admission import Admission
from zhiyin.core.scheduling.batching import Lane
from zhiyin.domain.engine import Clip, ClipResult
from zhiyin.domain.errors import Unavailable
from zhiyin.domain.options import DecodeOptions
from zhiyin.domain.spoken import SpokenLanguages
from zhiyin.domain.transcript import Segment, Word

_SURE, _SURE_S = 0.8, 2.0  # when the language of a partial result is expected of the next

Spell = Callable[[Sequence[str], str], Sequence[str]]
"""The spelling steps for words that follow each other, in a language."""

Admit = Callable[[], Awaitable[Admission]]
"""Takes a place at an engine that runs, loaded when need be. Raises AsrError."""


class EngineClient:
    """Holds a place at the engine from `open` to `close`; at another one when that has failed.

    With `streams` the engine is one that streams.
    """

    def __init__(
        self,
        admit: Admit,
        decode: DecodeOptions,
        timeout_s: float,
        spell: Spell | None = None,
        streams: SegmentStreams | None = None,
    ) -> None:
        self._admit = admit
        self._streams = streams
        self._decode = decode
        self._timeout_s = timeout_s
        self._spell = spell
        self._admission: Admission | None = None
        self._spoken = SpokenLanguages()
        self._current: tuple[int, str] | None = None  # a segment and its language

    async def open(self) -> None:
        """Take the place. Raises AsrError."""
        self._admission = await self._admit()

    def close(self) -> None:
        """Give it back; what still waits there is dropped."""
        if self._streams is not None:
            self._streams.close()
        if self._admission is not None:
            self._admission.release()
            self._admission = None

    async def decode(self, work: DecodeRequest) -> Hypothesis:
        """Decode on the engine. Raises AsrError, or TimeoutError when it takes too long."""
        async with asyncio.timeout(self._timeout_s):
            return await self._submit(work)

    async def _submit(self, work: DecodeRequest) -> Hypothesis:
        admission = await self._place()
        future = admission.submit(
            self._clip(work), Lane.FINAL if work.kind == "final" else Lane.PARTIAL
        )
        result = await asyncio.wrap_future(future)
        self._note_language(work, result)
        if self._spell is not None:
            result = _spelled(result, self._spell, self._written_in)
        return _hypothesis(result, work, self._decode.language)

    def _clip(self, work: DecodeRequest) -> Clip:
        if self._streams is not None:
            return self._streams.feed(work, self._decode)
        final = work.kind == "final"
        expected = self._expected(work)
        return Clip(
            work.samples, self._decode, work.speech, expected, draft=not final, urgent=final
        )

    def _expected(self, work: DecodeRequest) -> str | None:
        """The language of the segment so far, else of those before it; None when it is named."""
        if self._decode.language is not None:
            return None
        if self._current is not None and self._current[0] == work.segment_id:
            return self._current[1]
        return self._spoken.expected

    def _written_in(self, spoken: str) -> str:
        return self._decode.text_language(self._spoken.written_as(spoken))

    def _note_language(self, work: DecodeRequest, result: ClipResult) -> None:
        if work.kind == "final":
            self._spoken.add(result)
        sure = (result.language_probability or 0.0) >= _SURE
        if sure and work.end_s - work.start_s >= _SURE_S:
            self._current = (work.segment_id, result.language)

    async def _place(self) -> Admission:
        admission = self._admission
        if admission is None:
            raise Unavailable("The session is over.")
        if admission.lost:
            fresh = await self._admit()
            if (
                self._admission is not admission
            ):  # the session ended meanwhile, or has a place already
                fresh.release()
                return await self._place()
            admission.release()
            self._admission = admission = fresh
        return admission


def _hypothesis(result: ClipResult, work: DecodeRequest, asked: str | None) -> Hypothesis:
    words = [word for segment in result.segments for word in _words(segment)]
    confidence = sum(w.confidence for w in words) / len(words) if words else 0.0
    shifted = [w.shifted(work.start_s) for w in words]
    ends = work.end_s  # an engine may place a word a little after it
    inside = tuple(replace(w, start=min(w.start, ends), end=min(w.end, ends)) for w in shifted)
    return Hypothesis(inside, asked or result.language, confidence)


def _words(segment: Segment) -> tuple[Word, ...]:
    return segment.words or (Word(segment.text, segment.start, segment.end, segment.confidence),)


def _spelled(result: ClipResult, spell: Spell, written_in: Callable[[str], str]) -> ClipResult:
    """Before hypotheses are compared, so that stable text is never rewritten.

    Words of one language are spelled together, as they may depend on their neighbours.
    """
    made: list[Segment] = []
    for spoken, group in groupby(result.segments, lambda s: s.language or result.language):
        segments = [replace(s, words=_words(s)) for s in group]
        texts = [word.text for segment in segments for word in segment.words]
        spelled = iter(spell(texts, written_in(spoken)))
        for segment in segments:
            words = tuple(replace(w, text=next(spelled)) for w in segment.words)
            made.append(replace(segment, words=words))
    return replace(result, segments=tuple(made))
