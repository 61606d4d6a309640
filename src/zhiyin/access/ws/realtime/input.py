"""The audio of one connection: its settings, its live session, and the events in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

from zhiyin.access.context import Service
from zhiyin.access.json_types import Json
from zhiyin.access.ws.realtime.byte_alignment import completes
from zhiyin.access.ws.realtime.client import decoded
from zhiyin.access.ws.realtime.conversation import Conversation
from zhiyin.access.ws.realtime.render import new_id
from zhiyin.access.ws.realtime.settings import SessionSettings
from zhiyin.core.live.live_session import LiveSession
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import TooLong
from zhiyin.domain.options import TranscribeOptions


class AudioInput:
    """Opens a live session when audio comes, and another when settings change after that.

    `spawn` runs the task that reads the session's events, `put` queues what is to be sent.
    `_in_doubt`: since a commit, an incomplete sample may stay so for ever.
    """

    def __init__(
        self,
        service: Service,
        settings: SessionSettings,
        put: Callable[[list[Json]], None],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        caller: Caller,
    ) -> None:
        self.settings = settings
        self.conversation = Conversation(new_id)
        self.conversation.restart(0.0, manual=settings.turns is None)
        self._service = service
        self._put = put
        self._spawn = spawn
        self._caller = caller
        self._before_s = 0.0  # of audio in earlier sessions
        self._in_doubt = False
        self._live: LiveSession | None = None
        self._events: asyncio.Task[None] | None = None

    async def update(self, settings: SessionSettings) -> None:
        """Other settings for what comes next. Raises what is wrong with them."""
        if settings == self.settings:
            return
        options = settings.options()
        decode = replace(options.decode, words=True)
        self._service.registry.check(TranscribeOptions(options.model, decode))
        await self.end()
        self.settings = settings
        self._put(self.conversation.restart(self._received_s, manual=settings.turns is None))

    async def append(self, audio: str) -> None:
        """Take audio in base64. Raises InvalidRequest, Overloaded, TooLong, or what else fails."""
        pieces: list[bytes] = []
        for piece in decoded(audio):
            if pieces:
                await asyncio.sleep(0)
            pieces.append(piece)
        data = b"".join(pieces)
        live = await self._opened()
        self._check_alignment(live, data)
        await live.write(data)

    async def commit(self) -> None:
        """End the open item here. Raises InvalidRequest when there is no audio for it."""
        self.conversation.check_commit(self._received_s)
        if self._live is not None:
            await self._live.commit()
            self._in_doubt = self._live.incomplete_bytes > 0
        self._put(self.conversation.commit(self._received_s, self._segments))

    async def clear(self) -> None:
        """Drop what was not committed; it is decoded no more."""
        if self._live is not None:
            await self._live.abandon(self.conversation.settled)
        self._put(self.conversation.clear(self._received_s, self._segments))

    async def end(self) -> None:
        """Finish the live session, and wait until all its events are queued."""
        if self._live is None or self._events is None:
            return
        with suppress(TooLong):
            await self._live.finish()
        await self._events
        await self.close()

    async def close(self) -> None:
        """Drop everything."""
        if self._events is not None:
            self._events.cancel()
        if self._live is not None:
            self._before_s = self._received_s
            await self._live.close()
        self._live = self._events = None

    @property
    def _received_s(self) -> float:
        return self._before_s + (0.0 if self._live is None else self._live.received.seconds)

    @property
    def _segments(self) -> int:
        return 0 if self._live is None else self._live.segments

    async def _opened(self) -> LiveSession:
        if self._live is None:
            settings = self.settings
            self._live = await self._service.live.open(
                settings.options(), settings.sound.audio_format, self._caller
            )
            self._in_doubt = False
            self._events = self._spawn(self._queue_events(self._live))
        return self._live

    def _check_alignment(self, live: LiveSession, data: bytes) -> None:
        """Drop the incomplete sample that waits since a commit, if this does not complete it."""
        if not (self._in_doubt and live.incomplete_bytes):
            return
        goes_on = completes(data)
        self._in_doubt = goes_on is None
        if goes_on is False:
            live.settle()

    async def _queue_events(self, live: LiveSession) -> None:
        async for event in live.events():
            self._put(self.conversation.on(event))
