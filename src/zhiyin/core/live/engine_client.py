"""A live session's way to the engine: work in, words on the clock of the stream out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from zhiyin.core.live.streams import SegmentStreams
from zhiyin.core.live.utterance import DecodeRequest, Hypothesis
from zhiyin.core.scheduling.admission import Admission
from zhiyin.core.scheduling.batching import Lane
from zhiyin.domain.engine import Clip, ClipResult
from zhiyin.domain.errors import Unavailable
from zhiyin.domain.options import DecodeOptions
from zhiyin.domain.transcript import Word

_SURE, _SURE_S = 0.8, 2.0  # when a detected language holds for the rest of the session

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
        sure = (result.language_probability or 0.0) >= _SURE
        if self._decode.language is None and sure and work.end_s - work.start_s >= _SURE_S:
            self._decode = replace(self._decode, language=result.language)
        hypothesis = _hypothesis(result, work, self._decode.language)
        return (
            hypothesis if self._spell is None else _spelled(hypothesis, self._spell, self._decode)
        )

    def _clip(self, work: DecodeRequest) -> Clip:
        if self._streams is not None:
            return self._streams.feed(work, self._decode)
        final = work.kind == "final"
        return Clip(work.samples, self._decode, work.speech, draft=not final, urgent=final)

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
    words: list[Word] = []
    for segment in result.segments:
        words += segment.words or (
            Word(segment.text, segment.start, segment.end, segment.confidence),
        )
    confidence = sum(w.confidence for w in words) / len(words) if words else 0.0
    shifted = [w.shifted(work.start_s) for w in words]
    ends = work.end_s  # an engine may place a word a little after it
    inside = tuple(replace(w, start=min(w.start, ends), end=min(w.end, ends)) for w in shifted)
    return Hypothesis(inside, asked or result.language, confidence)


def _spelled(hypothesis: Hypothesis, spell: Spell, decode: DecodeOptions) -> Hypothesis:
    """Before hypotheses are compared, so that stable text is never rewritten."""
    language = decode.text_language(hypothesis.language)
    texts = spell([word.text for word in hypothesis.words], language)
    words = (replace(w, text=text) for w, text in zip(hypothesis.words, texts, strict=True))
    return replace(hypothesis, words=tuple(words))
