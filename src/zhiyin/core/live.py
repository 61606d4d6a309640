"""Live recognition: drives a `Session` with real sound, a voice detector and the scheduler."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from zhiyin.core.batching import Lane
from zhiyin.core.endpointing import EndpointPolicy
from zhiyin.core.offload import offload
from zhiyin.core.registry import Registry
from zhiyin.core.scribe import Scribe
from zhiyin.core.session import Heard, Session, SessionPolicy, Work
from zhiyin.core.spoken import Spoken
from zhiyin.core.tickets import Ticket
from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.engine import Clip, ClipResult, ModelInfo
from zhiyin.domain.errors import AsrError, Overloaded, TooLong
from zhiyin.domain.history import Caller
from zhiyin.domain.live import Final, LiveEvent, LiveOptions, Partial
from zhiyin.domain.options import DecodeOptions, TranscribeOptions
from zhiyin.domain.transcript import Transcript, Word
from zhiyin.ports.vad import FRAME, Vad

_BLOCK = SAMPLE_RATE  # samples that the voice detector takes at once
_SURE, _SURE_S = 0.8, 2.0  # when a detected language holds for the rest of the session


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """`max_sessions` at once, each of at most `max_seconds` of audio.

    Reading pauses while more than `max_waiting_s` of closed segments wait for their finals; a
    result that takes longer than `decode_timeout_s` counts as failed. `max_events` may wait for
    somebody to read them.
    """

    max_sessions: int = 64
    max_seconds: float = 14_400.0
    max_waiting_s: float = 60.0
    decode_timeout_s: float = 30.0
    max_events: int = 2_000


class LiveService:
    """Opens sessions. Used from the event loop only."""

    def __init__(
        self,
        registry: Registry,
        vad: Vad,
        pool: ThreadPoolExecutor,
        limits: LiveLimits,
        policy: SessionPolicy,
        scribe: Scribe | None = None,
    ) -> None:
        self._registry = registry
        self._vad = vad
        self._pool = pool
        self._limits = limits
        self._policy = policy
        self._scribe = scribe
        self._sessions: set[LiveSession] = set()

    @property
    def limits(self) -> LiveLimits:
        """What a session may take."""
        return self._limits

    @property
    def running(self) -> int:
        """Sessions that are open."""
        return len(self._sessions)

    async def open(self, options: LiveOptions) -> LiveSession:
        """A session; close it. Raises what is wrong with the options, or Overloaded."""
        if len(self._sessions) >= self._limits.max_sessions:
            raise Overloaded(
                "The server has too many live sessions. Try again later.", retry_after_s=5.0
            )
        decode = replace(options.decode, words=True)
        model = self._registry.check(TranscribeOptions(options.model, decode))
        scheduler = await self._registry.scheduler(model)
        if len(self._sessions) >= self._limits.max_sessions:
            raise Overloaded(
                "The server has too many live sessions. Try again later.", retry_after_s=5.0
            )
        ticket = scheduler.admit(Lane.PARTIAL, 0.0)
        session = LiveSession(
            Session(_policy(self._policy, options)), ticket, self._vad, self._pool, self._limits,
            decode, model,
        )  # fmt: skip
        self._sessions.add(session)
        session.on_close = lambda: self._closed(session)
        return session

    async def close(self) -> None:
        """End every session; what was heard until now is told."""
        for session in tuple(self._sessions):
            await session.close()

    def _closed(self, session: LiveSession) -> None:
        self._sessions.discard(session)
        transcript = session.transcript()
        if self._scribe is not None and transcript.segments:
            self._scribe.remember(session.caller, transcript, session.latency_s)


def _policy(policy: SessionPolicy, options: LiveOptions) -> SessionPolicy:
    endpoint = replace(
        policy.endpoint, enter=options.threshold, leave=max(0.05, options.threshold - 0.2)
    )
    return replace(
        policy, endpoint=_silence(endpoint, options.silence_s), partials=options.partials,
        lead_in=options.lead_in_s, context=max(policy.context, options.lead_in_s),
    )  # fmt: skip


def _silence(policy: EndpointPolicy, silence_s: float | None) -> EndpointPolicy:
    if silence_s is None:
        return replace(policy, silence=inf, hurry=())
    return replace(policy, silence=silence_s, pause=min(policy.pause, silence_s))


class LiveSession:
    """One stream of sound. `feed`, `commit`, `finish` by one task; `events` by another.

    At its end, what was said is remembered for the `caller`, if there is one by then.
    """

    def __init__(
        self,
        session: Session,
        ticket: Ticket,
        vad: Vad,
        pool: ThreadPoolExecutor,
        limits: LiveLimits,
        decode: DecodeOptions,
        model: ModelInfo,
    ) -> None:
        self.model = model.id
        self.caller: Caller | None = None
        self.on_close: Callable[[], None] = _nothing
        self._session = session
        self._ticket = ticket
        self._vad = vad.session()
        self._pool = pool
        self._limits = limits
        self._decode = decode
        self._spoken = Spoken(model, decode)
        self._held: Samples = np.zeros(0, np.float32)
        self._outbox: deque[LiveEvent] = deque()
        self._changed = asyncio.Event()
        self._progress = asyncio.Event()
        self._tasks: dict[Work, asyncio.Task[None]] = {}
        self._closed = False

    @property
    def received_s(self) -> float:
        """Seconds of audio taken."""
        return self._session.received_s

    @property
    def latency_s(self) -> float:
        """Seconds from the last sound that came to the last text of it."""
        return self._spoken.latency_s

    def transcript(self) -> Transcript:
        """What was settled until now, without the times of words."""
        return self._spoken.transcript(self.received_s)

    @property
    def segments(self) -> int:
        """Segments opened so far; the next one has this id."""
        return self._session.segments

    async def feed(self, samples: Samples) -> None:
        """Take float32[n] at 16 kHz; waits while the engine is too far behind.

        Raises TooLong when the session has lasted as long as it may.
        """
        if self.received_s + len(samples) / SAMPLE_RATE > self._limits.max_seconds:
            raise TooLong(
                f"A session may last {self._limits.max_seconds:g} s of audio. Open another one."
            )
        self._spoken.fed()
        self._held = np.concatenate([self._held, samples])
        while len(self._held) >= FRAME:
            size = min(_BLOCK, len(self._held)) // FRAME * FRAME
            block, self._held = self._held[:size], self._held[size:]
            await self._push(block)

    async def commit(self) -> None:
        """End the open segment here."""
        self._session.commit()
        self._turn()

    async def finish(self) -> None:
        """The stream is over; `events` ends when everything was told."""
        if len(self._held):
            block = np.pad(self._held, (0, -len(self._held) % FRAME))
            self._held = self._held[:0]
            await self._push(block)
        self._session.finish()
        self._turn()

    async def events(self) -> AsyncIterator[LiveEvent]:
        """What happens, in order, `Done` last; partials that nobody took give way to newer ones."""
        while True:
            while self._outbox:
                yield self._outbox.popleft()
            if self._session.finished or self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """Drop everything; whoever reads `events` gets their end."""
        if self._closed:
            return
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ticket.scheduler.release(self._ticket)
        self._changed.set()
        self._progress.set()
        self.on_close()

    async def _push(self, block: Samples) -> None:
        while self._session.waiting_s > self._limits.max_waiting_s and not self._closed:
            self._progress.clear()
            await self._progress.wait()
        probs = await offload(self._pool, lambda: self._vad.probabilities(block))
        self._session.push(block, probs)
        self._turn()

    def _turn(self) -> None:
        """Hand out what there is to do, and tell what happened."""
        while not self._closed and (work := self._session.next_work()) is not None:
            if work.kind == "final":
                self._give_way()
            self._tasks[work] = asyncio.create_task(self._decoded(work))
        for event in self._session.take_events():
            self._tell(event)
        self._progress.set()

    def _give_way(self) -> None:
        """A final is wanted: a partial that still waits for the engine would only delay it."""
        for work, task in self._tasks.items():
            if work.kind == "partial":
                task.cancel()

    def _tell(self, event: LiveEvent) -> None:
        last = self._outbox[-1] if self._outbox else None
        if (
            isinstance(event, Partial)
            and isinstance(last, Partial)
            and last.segment_id == event.segment_id
        ):
            self._outbox.pop()
        if isinstance(event, Final):
            self._spoken.add(event)
        self._outbox.append(event)
        self._changed.set()

    async def _decoded(self, work: Work) -> None:
        begun = time.monotonic()
        heard: Heard | None = None
        try:
            async with asyncio.timeout(self._limits.decode_timeout_s):
                heard = _heard(await self._submit(work), work.start_s, self._decode.language)
        except (AsrError, TimeoutError):
            pass  # counted by the session: tried again, then the partial result is the final
        except asyncio.CancelledError:
            if self._closed or work.kind == "final":
                raise
        finally:
            self._tasks.pop(work, None)
        if heard is None:
            self._session.failed(work)
        else:
            self._session.done(work, heard, time.monotonic() - begun)
        self._turn()

    async def _submit(self, work: Work) -> ClipResult:
        final = work.kind == "final"
        clip = Clip(work.samples, self._decode, work.speech, draft=not final)
        future = self._ticket.submit(clip, Lane.FINAL if final else Lane.PARTIAL)
        result = await asyncio.wrap_future(future)
        sure = (result.language_probability or 0.0) >= _SURE and clip.seconds >= _SURE_S
        if self._decode.language is None and sure:
            self._decode = replace(self._decode, language=result.language)
        return result


def _nothing() -> None:
    """For whoever has nothing to do."""


def _heard(result: ClipResult, offset: float, asked: str | None) -> Heard:
    words: list[Word] = []
    for segment in result.segments:
        words += segment.words or (
            Word(segment.text, segment.start, segment.end, segment.confidence),
        )
    confidence = sum(w.confidence for w in words) / len(words) if words else 0.0
    shifted = tuple(w.shifted(offset) for w in words)
    return Heard(shifted, asked or result.language, confidence)
