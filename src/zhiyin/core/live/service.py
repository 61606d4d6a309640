"""Live service: opens sessions over the engines, and stores their transcripts at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from zhiyin.core.history.writer import HistoryWriter
from zhiyin.core.live.decoding import FrameDecoder
from zhiyin.core.live.engine_client import EngineClient, Spell
from zhiyin.core.live.live_session import LiveLimits, LiveSession
from zhiyin.core.live.policies import policy_for
from zhiyin.core.live.session import Session, SessionPolicy
from zhiyin.core.live.streams import SegmentStreams
from zhiyin.core.live.transcript import TranscriptBuilder
from zhiyin.core.scheduling.admission import Admission
from zhiyin.core.scheduling.batching import Lane
from zhiyin.core.scheduling.registry import Registry
from zhiyin.core.text_steps import TextSteps
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import Overloaded
from zhiyin.domain.live import (
    AudioFormat,
    Final,
    LiveDefaults,
    LiveOptions,
)
from zhiyin.domain.options import TextOptions, TranscribeOptions
from zhiyin.ports.observer import UNOBSERVED, Observer
from zhiyin.ports.sound import LiveDecoder
from zhiyin.ports.text import TextContext
from zhiyin.ports.vad import Vad

log = logging.getLogger(__name__)

_DEFAULTS = LiveDefaults()


class LiveService:
    """Opens live sessions. Used from the event loop only; `clock` gives seconds.

    Decoding and speech detection run on `pool`.
    """

    def __init__(
        self,
        registry: Registry,
        decoder: LiveDecoder,
        vad: Vad,
        pool: ThreadPoolExecutor,
        limits: LiveLimits,
        policy: SessionPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        history_writer: HistoryWriter | None = None,
        steps: TextSteps | None = None,
        defaults: LiveDefaults = _DEFAULTS,
        observer: Observer = UNOBSERVED,
    ) -> None:
        self.defaults = defaults
        self._observer = observer
        self._registry = registry
        self._decoder = decoder
        self._vad = vad
        self._pool = pool
        self._limits = limits
        self._policy = policy
        self._history_writer = history_writer
        self._steps = steps or TextSteps()
        self._clock = clock
        self._sessions: set[LiveSession] = set()
        self._opening = 0

    @property
    def limits(self) -> LiveLimits:
        """What a session may take."""
        return self._limits

    @property
    def running(self) -> int:
        """Sessions that are open."""
        return len(self._sessions)

    async def open(
        self, options: LiveOptions, audio_format: AudioFormat, caller: Caller
    ) -> LiveSession:
        """Open a session; close it. Raises what is wrong with the options, or Overloaded."""
        if len(self._sessions) + self._opening >= self._limits.max_sessions:
            raise Overloaded(
                "The server has too many live sessions. Try again later.", retry_after_s=5.0
            )
        decode = replace(options.decode, words=True)
        model = self._registry.check(TranscribeOptions(options.model, decode))

        async def admit() -> Admission:
            return (await self._registry.scheduler(model)).admit(caller, Lane.PARTIAL, 0.0)

        can = model.capabilities
        recognizer = EngineClient(
            admit, decode, self._limits.decode_timeout_s, self._spell(options.text),
            SegmentStreams() if can.streaming else None,
        )  # fmt: skip
        sound = self._decoder.open(audio_format)
        self._opening += 1
        try:
            await recognizer.open()
        except BaseException:
            sound.close()
            raise
        finally:
            self._opening -= 1
        session = LiveSession(
            Session(policy_for(self._policy, options, can)),
            recognizer,
            FrameDecoder(sound, self._vad.session(), self._limits.max_seconds),
            self._pool,
            self._limits,
            TranscriptBuilder(model, decode, self._clock),
            self._clock,
            caller=caller,
            silence_s=options.silence_s,
            finish=self._finish(options),
            observer=self._observer,
        )
        self._sessions.add(session)
        self._observer.count("live.opened")
        session.on_close = lambda: self._closed(session)
        return session

    async def close(self) -> None:
        """Close every session."""
        for session in tuple(self._sessions):
            await session.close()

    def _closed(self, session: LiveSession) -> None:
        self._sessions.discard(session)
        self._observer.count("live.closed")
        transcript = session.transcript()
        if self._history_writer is not None and transcript.segments:
            self._history_writer.record(session.caller, transcript, session.latency_s)

    def _spell(self, options: TextOptions) -> Spell:
        return lambda words, language: self._steps.spell(words, TextContext(language, options))

    def _finish(self, options: LiveOptions) -> Callable[[Final], Final]:
        """The rewriting steps for finals."""

        def finish(final: Final) -> Final:
            language = options.decode.text_language(final.language)
            context = TextContext(language, options.text)
            return replace(final, display=self._steps.display(final.text, context))

        return finish
