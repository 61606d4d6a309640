"""A session that outlives the connections of its client."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from zhiyin.access.json_types import Json
from zhiyin.access.ws.dialect import Attachment, let_go
from zhiyin.access.ws.native import render
from zhiyin.access.ws.native.event_log import EventLog
from zhiyin.access.ws.native.schemas import Start
from zhiyin.core.live.live_session import LiveSession
from zhiyin.domain.errors import AsrError, InvalidRequest, SessionTaken, SlowReader
from zhiyin.domain.live import Partial


def new_id() -> str:
    """An id that can't be guessed: whoever knows it may resume the session."""
    return f"live_{secrets.token_urlsafe(18)}"


class ResumableSession:
    """A live session with its event log. Only the newest attachment may use it.

    What a message asks for is done to its end even when the connection breaks meanwhile: half of
    it would shift the audio.
    """

    def __init__(self, live: LiveSession, start: Start, *, max_events: int) -> None:
        self.id = live.caller.request_id
        self.owner = live.caller.owner
        self.log = EventLog(max_events)
        self.ended = False
        self._live = live
        self._start = start
        self._attachment: Attachment | None = None
        self._busy: asyncio.Task[None] | None = None
        self._logging = asyncio.create_task(self._log_events())

    @property
    def over(self) -> bool:
        """Whether all events were logged."""
        return self._logging.done()

    async def attach(self, after: int) -> Attachment:
        """Take the session over, to read on after that event; the connection before loses it."""
        self._release(SessionTaken("Another connection goes on with this session."))
        attachment: Attachment = asyncio.get_running_loop().create_future()
        self._attachment = attachment
        self.log.rewind(after, attachment)
        if self._busy is not None:
            await asyncio.wait([self._busy])
        self._live.wait_for_client(connected=True)
        return attachment

    def ready(self) -> Json:
        """The greeting: from where the audio goes on; the start of a sample is dropped."""
        rate = self._start.sample_rate
        return render.ready(self.id, self._live.model, rate, self._live.settle())

    def detach(self, attachment: Attachment) -> bool:
        """The connection is gone; whether it held the session."""
        held = self._attachment is attachment
        if held:
            self._attachment = None
            self._live.wait_for_client(connected=False)
        let_go(attachment)
        return held

    async def write(self, attachment: Attachment, data: bytes) -> None:
        """Take audio. Raises InvalidRequest, UndecodableAudio, TooLong, SessionTaken."""
        await self._whole(attachment, self._write(data))

    async def commit(self, attachment: Attachment) -> None:
        """End the open segment here."""
        await self._whole(attachment, self._live.commit())

    async def finish(
        self, attachment: Attachment, on_error: Callable[[AsrError], None], *, cut: bool = False
    ) -> None:
        """End the stream. An error of its last audio goes to `on_error`, before `done`."""
        if not self.ended:
            await self._whole(attachment, self._finish(on_error, cut=cut))

    def answer(self, attachment: Attachment, body: Json) -> None:
        """Send something to this connection only, unless it has lost the session."""
        if self._attachment is attachment:
            self.log.answer(body)
            self._check_reader()

    async def wind_up(self) -> None:
        """The client did not come back: decode what was received to its end, then close."""
        try:
            if self._busy is not None:
                await asyncio.wait([self._busy])
            if not self.ended:
                await self._finish(_ignore, cut=True)
            await asyncio.wait([self._logging])
        finally:
            await self.close()

    async def close(self) -> None:
        """Drop everything."""
        await self._live.close()
        busy = [] if self._busy is None else [self._busy]
        await asyncio.gather(self._logging, *busy, return_exceptions=True)

    async def _whole(self, attachment: Attachment, action: Coroutine[Any, Any, None]) -> None:
        if self._attachment is not attachment:
            action.close()
            raise SessionTaken("Another connection goes on with this session.")
        self._busy = busy = asyncio.create_task(action)
        busy.add_done_callback(_retrieve)
        await asyncio.shield(busy)

    async def _write(self, data: bytes) -> None:
        if self.ended:
            raise InvalidRequest("Sound came after the end of the stream.", code="after_eof")
        await self._live.write(data)

    async def _finish(self, on_error: Callable[[AsrError], None], *, cut: bool) -> None:
        self.ended = True
        try:
            await self._live.finish(cut=cut)
        except AsrError as error:
            on_error(error)

    async def _log_events(self) -> None:
        """Move events to the log; after the last the engine's place is free."""
        with suppress(AsrError):
            async for event in self._live.events():
                body = render.event(event, words=self._start.words)
                if isinstance(event, Partial):
                    self.log.show(body)
                else:
                    self.log.keep(body)
                self._check_reader()
        self.log.finish()
        self.ended = True
        await self._live.close()

    def _check_reader(self) -> None:
        if self._attachment is not None and self.log.overtaken:
            self._release(SlowReader("The client takes events more slowly than they come."))

    def _release(self, why: AsrError) -> None:
        if self._attachment is not None and not self._attachment.done():
            self._attachment.set_exception(why)


def _ignore(problem: AsrError) -> None:
    """For an end that no client waits for."""


def _retrieve(task: asyncio.Task[None]) -> None:
    """The waiting connection may be gone; an error that nothing takes is none."""
    if not task.cancelled():
        task.exception()
