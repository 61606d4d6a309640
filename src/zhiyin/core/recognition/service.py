"""Recognition with history: transcripts are written after the answer."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from zhiyin.core.history.writer import HistoryWriter
from zhiyin.core.recognition.result_cache import CachePolicy
from zhiyin.core.recognition.transcriber import OnFinished, Transcriber
from zhiyin.domain.caller import Caller
from zhiyin.domain.events import Event
from zhiyin.domain.options import TranscribeOptions
from zhiyin.domain.source import AudioSource
from zhiyin.domain.transcript import Transcript


@dataclass(frozen=True, slots=True)
class RecognitionService:
    """Recognizes, and writes the history unless the caller says `store=False`.

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
        """See `Transcriber.transcribe`."""
        return await self.transcriber.transcribe(
            source, options, caller, timeout_s=timeout_s, recall=recall,
            on_finished=self._writer_for(caller),
        )  # fmt: skip

    def stream(
        self,
        source: AudioSource,
        options: TranscribeOptions,
        caller: Caller,
        *,
        timeout_s: float | None = None,
        recall: CachePolicy | None = None,
    ) -> AsyncGenerator[Event, None]:
        """See `Transcriber.stream`."""
        return self.transcriber.stream(
            source, options, caller, timeout_s=timeout_s, recall=recall,
            on_finished=self._writer_for(caller),
        )  # fmt: skip

    def _writer_for(self, caller: Caller) -> OnFinished:
        """Writes the history of a request that begins now."""
        begun = time.monotonic()

        def write(transcript: Transcript) -> None:
            self.history_writer.record(caller, transcript, time.monotonic() - begun)

        return write
