"""One connection's speech: its settings, its live session, and the events in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

from zhiyin.access.context import Service
from zhiyin.access.json_types import Json
from zhiyin.access.ws.realtime.byte_alignment import completes
from zhiyin.access.ws.realtime.conversation import Conversation
from zhiyin.access.ws.realtime.render import new_id
from zhiyin.access.ws.realtime.settings import SessionSettings
from zhiyin.core.live.service import LiveSession
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import TooLong
from zhiyin.domain.options import TranscribeOptions
from zhiyin.ports.sound import LiveSound

_SLICE_BYTES = 64 << 10  # of a client's audio that are decoded at once


class AudioInput:
    """Opens a live session when sound comes, and another when settings change after that.

    `spawn` runs what tells the events, `put` takes what is to be sent. What was said is remembered
    for the `caller`. `_half`: a sample is incomplete; `_in_doubt`: it may be so for ever, since a
    commit.
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
        self._received_s = 0.0
        self._half = False
        self._in_doubt = False
        self._live: LiveSession | None = None
        self._sound: LiveSound | None = None
        self._teller: asyncio.Task[None] | None = None

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

    async def append(self, data: bytes) -> None:
        """Take sound. Raises Overloaded, TooLong, or what else is in the way."""
        live, sound = await self._opened()
        self._judge_half(data[:_SLICE_BYTES], sound)
        self._half ^= self.settings.sound.encoding == "s16le" and len(data) % 2 == 1
        for at in range(0, len(data), _SLICE_BYTES):
            piece = data[at : at + _SLICE_BYTES]
            await live.feed(sound.push(piece))
            self._received_s += self.settings.sound.seconds(len(piece))

    async def commit(self) -> None:
        """End what was said here. Raises InvalidRequest when that is nothing."""
        self.conversation.check_commit(self._received_s)
        if self._live is not None:
            await self._live.commit()
        self._in_doubt = self._half
        self._put(self.conversation.commit(self._received_s, self._segments))

    async def clear(self) -> None:
        """Forget what was not committed; nobody decodes it any more."""
        if self._live is not None and self._sound is not None:
            self._sound.settle()
            self._half = False
            await self._live.abandon(self.conversation.settled)
        self._put(self.conversation.clear(self._received_s, self._segments))

    async def end(self) -> None:
        """Finish the live session, and wait until everything was told."""
        if self._live is None or self._sound is None or self._teller is None:
            return
        with suppress(TooLong):
            await self._live.feed(self._sound.finish())
        await self._live.finish()
        await self._teller
        await self.close()

    async def close(self) -> None:
        """Drop everything."""
        if self._teller is not None:
            self._teller.cancel()
        if self._sound is not None:
            self._sound.close()
        if self._live is not None:
            await self._live.close()
        self._live = self._sound = self._teller = None

    @property
    def _segments(self) -> int:
        return 0 if self._live is None else self._live.segments

    async def _opened(self) -> tuple[LiveSession, LiveSound]:
        if self._live is None or self._sound is None:
            sound = self._service.sound.open(self.settings.sound.encoding, self.settings.sound.rate)
            live = await self._service.live.open(self.settings.options(), self._caller)
            self._live, self._sound = live, sound
            self._half = self._in_doubt = False
            self._teller = self._spawn(self._tell(live))
        return self._live, self._sound

    def _judge_half(self, data: bytes, sound: LiveSound) -> None:
        """Drop the half sample that waits since a commit, if this does not go on with it."""
        if not (self._half and self._in_doubt):
            return
        goes_on = completes(data)
        self._in_doubt = goes_on is None
        if goes_on is False:
            sound.settle()
            self._half = False

    async def _tell(self, live: LiveSession) -> None:
        async for event in live.events():
            self._put(self.conversation.on(event))
