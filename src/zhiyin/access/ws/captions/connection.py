"""Connections to caption rooms: speakers send audio and get captions, viewers get captions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.websockets import WebSocketDisconnect

from zhiyin.access.ws.captions import render
from zhiyin.access.ws.dialect import converse, read_messages, send_events
from zhiyin.access.ws.json_messages import parse_object
from zhiyin.access.ws.transport import Transport
from zhiyin.core.captions.rooms import Rooms
from zhiyin.core.captions.speaker import Speaker
from zhiyin.core.live.live_session import LiveSession
from zhiyin.core.tasks import cancel_all
from zhiyin.domain.captions import Ended
from zhiyin.domain.errors import AsrError, InvalidRequest, SlowReader


async def view(transport: Transport, rooms: Rooms, room: str) -> None:
    """Serve a viewer until it leaves. Raises AsrError, WebSocketDisconnect."""
    async with rooms.subscribe(room) as (captions, viewer):

        async def events() -> AsyncIterator[str]:
            yield render.history(captions)
            async for event in viewer.events():
                yield render.text(event)

        await converse(send_events(transport, events()), _until_gone(transport))


async def _until_gone(transport: Transport) -> None:
    await transport.receive(patient=True)
    raise InvalidRequest("Viewers only read.", code="read_only")


class SpeakerConnection:
    """Implements `access.ws.dialect.Dialect` for who speaks in a room.

    When it disconnects, the viewers still get the captions of all that was received.
    """

    def __init__(self, transport: Transport, live: LiveSession, speaker: Speaker) -> None:
        self._transport = transport
        self._live = live
        self._speaker = speaker
        self._ended = False
        self._problem: AsrError | None = None

    async def run(self) -> None:
        """Read, publish and send until the end of the audio. Raises AsrError."""
        sending = asyncio.create_task(self._send())
        try:
            await converse(self._publish(), self._read(), sending)
            await self._speaker.finish()
            reads = await sending
        finally:
            await cancel_all([sending])
        if self._problem is not None:
            raise self._problem
        if reads:
            await self._transport.send(render.text(Ended()))

    @property
    def reading(self) -> bool:
        """Until the end of the audio, or an error."""
        return not self._ended and self._problem is None

    @property
    def patient(self) -> bool:
        """Never."""
        return False

    async def handle(self, message: str | bytes) -> None:
        """Audio, or its end."""
        if isinstance(message, bytes):
            await self._live.write(message)
            self._transport.note_sound()
        else:
            _check_eof(message)
            self._ended = True

    async def fail(self, error: AsrError) -> None:
        """Every error ends the audio; it is sent after the last caption."""
        self._problem = self._problem or error

    async def _read(self) -> None:
        with suppress(WebSocketDisconnect):
            await read_messages(self._transport, self)
        try:
            await self._live.finish(cut=not self._ended)
        except AsrError as error:
            await self.fail(error)

    async def _publish(self) -> None:
        async for event in self._live.events():
            self._speaker.publish(event)

    async def _send(self) -> bool:
        """Whether the speaker read to the end; one that does not is spared the captions."""
        with suppress(SlowReader, WebSocketDisconnect):
            await send_events(self._transport, self._captions())
            return True
        return False

    async def _captions(self) -> AsyncIterator[str]:
        async for event in self._speaker.inbox.events():
            if isinstance(event, Ended):
                return
            yield render.text(event)


def _check_eof(text: str) -> None:
    """Raise InvalidRequest for what is not the end of the audio, or TooLarge."""
    with suppress(InvalidRequest):
        if text == "eof" or parse_object(text).get("type") == "eof":
            return
    raise InvalidRequest("Speakers send sound, and eof at the end.", code="invalid_message")
