"""The corridor with a memory: whoever says who he is finds his transcripts again."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from zhiyin.core.history.writer import HistoryWriter
from zhiyin.core.recognition.result_cache import CachePolicy
from zhiyin.core.recognition.transcriber import Transcriber
from zhiyin.domain.caller import Caller
from zhiyin.domain.events import Event, Finished
from zhiyin.domain.options import TranscribeOptions
from zhiyin.domain.source import AudioSource
from zhiyin.domain.transcript import Transcript


@dataclass(frozen=True, slots=True)
class RecognitionService:
    """Recognizes and keeps what was recognized, after the answer.

    An answer from the cache is kept like any other: each request has its own entry.
    """

    transcriber: Transcriber
    history_writer: HistoryWriter

    async def transcribe(
        self,
        source: AudioSource,
        options: TranscribeOptions,
        caller: Caller,
        *,
        timeout_s: float | None = None,
        recall: CachePolicy | None = None,
    ) -> Transcript:
        """See `Transcriber.transcribe`; kept unless the caller says `store=False`."""
        begun = time.monotonic()
        made = await self.transcriber.transcribe(
            source, options, caller, timeout_s=timeout_s, recall=recall
        )
        self.history_writer.remember(caller, made, time.monotonic() - begun)
        return made

    async def stream(
        self,
        source: AudioSource,
        options: TranscribeOptions,
        caller: Caller,
        *,
        timeout_s: float | None = None,
        recall: CachePolicy | None = None,
    ) -> AsyncGenerator[Event, None]:
        """See `Transcriber.stream`; kept unless the caller says `store=False`."""
        begun = time.monotonic()
        events = self.transcriber.stream(
            source, options, caller, timeout_s=timeout_s, recall=recall
        )
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Finished):
                    self.history_writer.remember(caller, event.transcript, time.monotonic() - begun)
                yield event
