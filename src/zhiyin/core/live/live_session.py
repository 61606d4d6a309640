"""A live session: drives the state machine with decoded audio, the engine and a clock."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import inf

from zhiyin.core.live.decoding import FrameDecoder, Frames
from zhiyin.core.live.engine_client import EngineClient
from zhiyin.core.live.session import Session
from zhiyin.core.live.sound_watch import SoundWatch
from zhiyin.core.live.transcript import TranscriptBuilder
from zhiyin.core.live.utterance import DecodeRequest, Hypothesis
from zhiyin.core.offload import offload
from zhiyin.core.tasks import cancel_all
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import AsrError, SlowReader
from zhiyin.domain.live import (
    Final,
    LiveEvent,
    Partial,
    Received,
    Warned,
)
from zhiyin.domain.transcript import Transcript
from zhiyin.ports.observer import Observer

log = logging.getLogger(__name__)

_STEP_BYTES = 16 << 10
"""Decoded at once: opus may pack 120 ms into two bytes, so a large step could blow up."""

Decode = Callable[[], list[Frames]]
"""A blocking call of a `FrameDecoder`."""


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """`max_sessions` at once, each of at most `max_seconds` of audio.

    Reading pauses while more than `max_waiting_s` of closed segments wait for their finals; a
    result that takes longer than `decode_timeout_s` counts as failed. A session ends when more
    than `max_events` wait to be read. An open segment ends when no sound comes for `no_sound_s`, or
    for the silence that ends it where that is longer.
    """

    max_sessions: int = 64
    max_seconds: float = 14_400.0
    max_waiting_s: float = 60.0
    decode_timeout_s: float = 30.0
    max_events: int = 1_000
    no_sound_s: float = inf


class LiveSession:
    """One stream of audio. `write`, `commit`, `finish` by one task; `events` by another.

    At its end, the transcript is kept for the `caller`, if it wants that.
    """

    def __init__(
        self,
        session: Session,
        recognizer: EngineClient,
        frames: FrameDecoder,
        pool: ThreadPoolExecutor,
        limits: LiveLimits,
        transcript_builder: TranscriptBuilder,
        clock: Callable[[], float],
        *,
        caller: Caller,
        silence_s: float | None,
        finish: Callable[[Final], Final],
        observer: Observer,
    ) -> None:
        self._observer = observer
        self._finish = finish
        self.model = transcript_builder.model
        self.caller = caller
        self.on_close: Callable[[], None] = _nothing
        self._session = session
        self._recognizer = recognizer
        self._frames = frames
        self._pool = pool
        self._limits = limits
        self._transcript_builder = transcript_builder
        self._clock = clock
        self._outbox: deque[LiveEvent] = deque()
        self._changed = asyncio.Event()
        self._progress = asyncio.Event()
        wait_s = inf if silence_s is None else max(silence_s, limits.no_sound_s)
        self._watch = SoundWatch(wait_s, self._miss_sound)
        self._tasks: dict[DecodeRequest, asyncio.Task[Hypothesis]] = {}
        self._unread = False
        self._cut = False
        self._closed = False

    @property
    def received_s(self) -> float:
        """Seconds of audio taken."""
        return self._session.received_s

    @property
    def latency_s(self) -> float:
        """Seconds from the last sound that came to the last text of it."""
        return self._transcript_builder.latency_s

    def transcript(self) -> Transcript:
        """What was settled until now, without the times of words."""
        return self._transcript_builder.transcript(self.received_s)

    @property
    def segments(self) -> int:
        """Segments opened so far; the next one has this id."""
        return self._session.segments

    @property
    def received(self) -> Received:
        """The bytes and seconds of whole samples that were written."""
        return self._frames.received

    @property
    def incomplete_bytes(self) -> int:
        """Bytes of a sample whose other bytes have not come."""
        return self._frames.incomplete_bytes

    async def write(self, data: bytes) -> None:
        """Take bytes in the session's audio format, continuing the last.

        Waits while the engine is too far behind. Raises UndecodableAudio, TooLong when the session
        has lasted as long as it may, and SlowReader.
        """
        before_s = self.received.seconds
        self._watch.stop()
        try:
            for at in range(0, len(data), _STEP_BYTES):
                self._check_reader()
                await self._take(partial(self._frames.write, data[at : at + _STEP_BYTES]))
                await self._take_pending()
        finally:
            if not self._closed:
                self._watch.came(self.received.seconds - before_s)

    def wait_for_client(self, *, connected: bool) -> None:
        """While the client is away, the lack of sound ends no segment."""
        if not self._closed:
            self._watch.hold(held=not connected)

    def settle(self) -> Received:
        """Drop the bytes of an incomplete sample; what was received. Not while `write` runs."""
        return self._frames.settle()

    async def commit(self) -> None:
        """End the open segment here."""
        self._session.commit()
        self._turn()

    async def abandon(self, since: int) -> None:
        """End the open segment here, and work no more on those whose id is `since` or higher.

        Their finals still come, with whatever was known. An incomplete sample is dropped.
        """
        self._frames.settle()
        self._frames.drop_rest()
        self._session.abandon(since)
        for work, task in self._tasks.items():
            if not self._session.wanted(work):
                task.cancel()
        self._turn()

    async def finish(self, *, cut: bool = False) -> None:
        """The stream is over; `events` ends when everything was emitted.

        An incomplete sample at its end is warned of, unless an error has `cut` the stream short.

        What the decoder still holds comes first; when it raises UndecodableAudio or TooLong, the
        stream ends all the same.
        """
        self._watch.stop()
        try:
            self._check_reader()
            await self._take(self._frames.flush)
            await self._take_pending()
            if not (cut or self._cut):
                self._warn_incomplete()
        finally:
            await self._take(self._frames.pad)
            self._session.finish()
            self._turn()

    async def events(self) -> AsyncIterator[LiveEvent]:
        """The events in order, `Done` last; partials that were not read give way to newer ones.

        Raises SlowReader when too many were not read.
        """
        while True:
            while self._outbox:
                yield self._outbox.popleft()
            self._check_reader()
            if self._session.finished or self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """Drop everything; `events` ends."""
        if self._closed:
            return
        self._closed = True
        self._watch.stop()
        await cancel_all(self._tasks.values())
        self._recognizer.close()
        self._frames.close()
        self._changed.set()
        self._progress.set()
        self.on_close()

    async def _take(self, decode: Decode) -> None:
        """Decode and detect speech in one call on the pool, and hand the frames on."""
        self._transcript_builder.fed()
        try:
            blocks = [] if self._closed else await offload(self._pool, decode)
        except AsrError:
            if self._closed:  # which closed the decoder
                return
            self._cut = True
            raise
        for samples, probabilities in blocks:
            while self._session.waiting_s > self._limits.max_waiting_s and not self._closed:
                self._progress.clear()
                await self._progress.wait()
            if not self._closed:
                self._session.push(samples, probabilities)
                self._turn()

    def _miss_sound(self) -> None:
        self._session.lapse()
        self._turn()

    async def _take_pending(self) -> None:
        """A few bytes may hold hours of sound: bounded steps, so that the limits hold."""
        while self._frames.pending and not self._closed:
            self._check_reader()
            await self._take(partial(self._frames.write, b""))

    def _check_reader(self) -> None:
        if self._unread:
            raise _slow()

    def _warn_incomplete(self) -> None:
        odd = self._frames.incomplete_bytes
        if odd:
            message = f"The last {odd} bytes are no whole sample; is the encoding right?"
            self._emit(Warned("incomplete_sample", message))

    def _turn(self) -> None:
        """Submit what there is to decode, and emit what happened."""
        while not self._closed and (work := self._session.next_work()) is not None:
            if work.kind == "final":
                self._give_way()
            task = asyncio.create_task(self._recognizer.decode(work))
            self._tasks[work] = task
            # A callback, because a task that is cancelled before its first step never runs.
            task.add_done_callback(partial(self._decoded, work, self._clock()))
        for event in self._session.take_events():
            self._emit(event)
        self._progress.set()

    def _give_way(self) -> None:
        """A final is wanted: a partial that still waits for the engine would only delay it."""
        for work, task in self._tasks.items():
            if work.kind == "partial":
                task.cancel()

    def _decoded(self, work: DecodeRequest, begun: float, task: asyncio.Task[Hypothesis]) -> None:
        del self._tasks[work]
        if self._closed:
            return
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, AsrError | TimeoutError):
            log.error("a live result was lost: %s", type(error).__name__, exc_info=error)
        if task.cancelled() or error is not None:
            # The session tries again; in the end the partial result is the final.
            self._session.failed(work)
        else:
            self._observer.live(work.kind, self._clock() - begun)
            self._session.done(work, task.result(), self._clock() - begun)
        self._turn()

    def _emit(self, event: LiveEvent) -> None:
        if self._unread:
            return
        if isinstance(event, Partial | Final):
            self._drop_partials(event.segment_id)
        if isinstance(event, Final):
            event = self._finish(event)
            self._transcript_builder.add(event)
        self._outbox.append(event)
        if len(self._outbox) > self._limits.max_events:
            self._unread = True
            self._outbox.clear()
        self._changed.set()

    def _drop_partials(self, segment_id: int) -> None:
        """Those that were not read; a newer one or the final has all of their text."""
        old = [e for e in self._outbox if isinstance(e, Partial) and e.segment_id == segment_id]
        for event in old:
            self._outbox.remove(event)


def _slow() -> SlowReader:
    return SlowReader("The events of this session are not read.")


def _nothing() -> None:
    """The default of `on_close`."""
