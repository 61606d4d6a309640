"""A session that outlives the connections of its client."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from zhiyin.access.json_types import Json
from zhiyin.access.ws.native import render
from zhiyin.access.ws.native.event_log import EventLog
from zhiyin.access.ws.native.schemas import Start
from zhiyin.access.ws.transport import Attachment, let_go
from zhiyin.core.live.service import LiveSession
from zhiyin.domain.errors import AsrError, InvalidRequest, SessionTaken, SlowReader
from zhiyin.domain.live import Partial, Warned
from zhiyin.ports.sound import LiveSound

# Opus may pack 120 ms into two bytes: small steps bound what one call can blow up to.
_STEP_BYTES = 16 << 10


def new_id() -> str:
    """A name that nobody can guess: whoever knows it may resume the session."""
    return f"live_{secrets.token_urlsafe(18)}"


class ResumableSession:
    """A live session with its decoder and its events. Only the newest holder is obeyed.

    What a message asks for is done to its end even when the connection breaks meanwhile: half of
    it would shift the sound.
    """

    def __init__(
        self, live: LiveSession, sound: LiveSound, start: Start, *, max_events: int
    ) -> None:
        self.id = live.caller.request_id
        self.owner = live.caller.owner
        self.outbox = EventLog(max_events)
        self.ended = False
        self._live = live
        self._sound = sound
        self._start = start
        self._bytes = 0
        self._hold: Attachment | None = None
        self._busy: asyncio.Task[None] | None = None
        self._telling = asyncio.create_task(self._tell())

    @property
    def over(self) -> bool:
        """Whether everything has happened."""
        return self._telling.done()

    async def attach(self, after: int) -> Attachment:
        """Hold the session, and read on after that event; whoever held it loses it."""
        self._release(SessionTaken("Another connection goes on with this session."))
        hold: Attachment = asyncio.get_running_loop().create_future()
        self._hold = hold
        self.outbox.rewind(after, hold)
        if self._busy is not None:
            await asyncio.wait([self._busy])
        return hold

    def ready(self) -> Json:
        """The greeting: from where the sound goes on; the start of a sample is forgotten."""
        received = self._sound.settle()
        self._bytes = received.bytes
        return render.ready(self.id, self._live.model, self._start.sample_rate, received)

    def detach(self, hold: Attachment) -> bool:
        """The connection is gone; whether it held the session."""
        held = self._hold is hold
        if held:
            self._hold = None
        let_go(hold)
        return held

    async def feed(self, hold: Attachment, data: bytes) -> None:
        """Take sound. Raises InvalidRequest, UndecodableAudio, TooLong, SessionTaken."""
        await self._whole(hold, self._feed(data))

    async def commit(self, hold: Attachment) -> None:
        """End the open segment here."""
        await self._whole(hold, self._live.commit())

    async def finish(self, hold: Attachment, blame: Callable[[AsrError], None]) -> None:
        """No more sound comes. When its rest is none, `blame` hears that before the end is told."""
        if not self.ended:
            await self._whole(hold, self._finish(blame))

    def answer(self, hold: Attachment, body: Json) -> None:
        """Tell the holder something that concerns its connection; whoever lost it hears nothing."""
        if self._hold is hold:
            self.outbox.answer(body)
            self._check_reader()

    async def wind_up(self) -> None:
        """Nobody comes back: what was said until now is heard to its end, then all is dropped."""
        try:
            if self._busy is not None:
                await asyncio.wait([self._busy])
            if not self.ended:
                await self._finish(_nobody)
            await asyncio.wait([self._telling])
        finally:
            await self.close()

    async def close(self) -> None:
        """Drop everything."""
        self._sound.close()
        await self._live.close()
        busy = [] if self._busy is None else [self._busy]
        await asyncio.gather(self._telling, *busy, return_exceptions=True)

    async def _whole(self, hold: Attachment, action: Coroutine[Any, Any, None]) -> None:
        if self._hold is not hold:
            action.close()
            raise SessionTaken("Another connection goes on with this session.")
        self._busy = busy = asyncio.create_task(action)
        busy.add_done_callback(_seen)
        await asyncio.shield(busy)

    async def _feed(self, data: bytes) -> None:
        if self.ended:
            raise InvalidRequest("Sound came after the end of the stream.", code="after_eof")
        for at in range(0, len(data), _STEP_BYTES):
            step = data[at : at + _STEP_BYTES]
            self._bytes += len(step)
            await self._live.feed(await asyncio.to_thread(self._sound.push, step))

    async def _finish(self, blame: Callable[[AsrError], None]) -> None:
        self.ended = True
        try:
            await self._live.feed(await asyncio.to_thread(self._sound.finish))
            self._note_incomplete()
        except AsrError as error:
            blame(error)
        finally:
            await self._live.finish()

    def _note_incomplete(self) -> None:
        odd = self._bytes - self._sound.settle().bytes
        if odd:
            warned = Warned(
                "incomplete_sample",
                f"The last {odd} bytes are no whole sample; is the encoding right?",
            )
            self.outbox.keep(render.event(warned, words=False))

    async def _tell(self) -> None:
        """Move events to the outbox; after the last the engine's place is free."""
        with suppress(AsrError):
            async for told in self._live.events():
                body = render.event(told, words=self._start.words)
                if isinstance(told, Partial):
                    self.outbox.show(body)
                else:
                    self.outbox.keep(body)
                self._check_reader()
        self.outbox.finish()
        self.ended = True
        self._sound.close()
        await self._live.close()

    def _check_reader(self) -> None:
        if self._hold is not None and self.outbox.overtaken:
            self._release(SlowReader("The client takes events more slowly than they come."))

    def _release(self, why: AsrError) -> None:
        if self._hold is not None and not self._hold.done():
            self._hold.set_exception(why)


def _nobody(problem: AsrError) -> None:
    """For an end that nobody waits for."""


def _seen(task: asyncio.Task[None]) -> None:
    """Whoever waited may have gone; an error that nobody takes is none."""
    if not task.cancelled():
        task.exception()
