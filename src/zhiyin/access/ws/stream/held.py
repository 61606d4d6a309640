"""Sessions that outlive their connection: what was told is kept, until a client has come back."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from zhiyin.access.http.deps import Service
from zhiyin.access.ws.stream import render
from zhiyin.access.ws.stream.render import Json
from zhiyin.access.ws.stream.schemas import Resume, Start
from zhiyin.core.live import LiveSession
from zhiyin.domain.errors import InvalidRequest, TooLong, UndecodableAudio
from zhiyin.domain.history import Caller
from zhiyin.domain.live import Partial
from zhiyin.ports.sound import LiveSound

_KEPT = 1_000  # lasting events
_SLICE = 256 << 10  # bytes decoded at once


class HeldSession:
    """A live session with its decoder and its last events. One connection uses it at a time."""

    def __init__(self, live: LiveSession, sound: LiveSound, *, words: bool) -> None:
        self.id = secrets.token_urlsafe(18)
        self.live = live
        self.let_go: Callable[[], None] | None = None
        self._sound = sound
        self._words = words
        self._events: deque[tuple[int, Json]] = deque(maxlen=_KEPT)
        self._count = 0
        self._partial: Json | None = None
        self._over = False
        self._changed = asyncio.Event()
        self._ended = False
        self._collecting = asyncio.create_task(self._collect())

    async def feed(self, data: bytes) -> None:
        """Take sound. Raises UndecodableAudio or TooLong."""
        if self._ended:
            raise InvalidRequest("Sound came after the end of the stream.", code="after_eof")
        for at in range(0, len(data), _SLICE):
            await self.live.feed(await asyncio.to_thread(self._sound.push, data[at : at + _SLICE]))

    async def finish(self) -> None:
        """No more sound comes."""
        if self._ended:
            return
        self._ended = True
        with suppress(TooLong, UndecodableAudio):
            await self.live.feed(await asyncio.to_thread(self._sound.finish))
        await self.live.finish()

    async def events(self, after: int) -> AsyncIterator[Json]:
        """What happened after that event, then what happens; `done` is the last.

        A partial that a newer one or a final has overtaken is left out. Raises InvalidRequest when
        the events are no longer known, because nobody took them for too long.
        """
        while True:
            self._changed.clear()
            while after < self._count:
                first = self._events[0][0]
                if after + 1 < first:
                    raise InvalidRequest(
                        "The connection is too slow, or was away for too long: events are gone.",
                        code="events_lost",
                    )
                number, event = self._events[after + 1 - first]
                after = number
                yield event
            if self._partial is not None:
                partial, self._partial = self._partial, None
                yield partial
            elif self._over:
                return
            else:
                await self._changed.wait()

    async def close(self) -> None:
        """Drop everything."""
        self._collecting.cancel()
        await asyncio.to_thread(self._sound.close)
        await self.live.close()

    async def _collect(self) -> None:
        async for told in self.live.events():
            event = render.event(told, words=self._words)
            if isinstance(told, Partial):
                self._partial = event
            else:
                self._partial = None
                self._count += 1
                self._events.append((self._count, {**event, "event": self._count}))
            self._changed.set()
        self._over = True
        self._changed.set()


@dataclass(slots=True)
class Held:
    """All sessions of the native protocol. `grace_s` is how long one waits for its client."""

    service: Service
    grace_s: float
    _sessions: dict[str, HeldSession] = field(default_factory=dict)
    _leaving: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def open(self, start: Start, owner: str) -> HeldSession:
        """A new session of somebody. Raises InvalidRequest, UnknownModel, Overloaded."""
        options = start.options()
        sound = self.service.sound.open(start.encoding, start.sample_rate)
        try:
            live = await self.service.live.open(options)
        except BaseException:
            sound.close()
            raise
        held = HeldSession(live, sound, words=start.words)
        live.caller = Caller(owner, held.id, "stream") if start.store else None
        self._sessions[held.id] = held
        return held

    def resume(self, resume: Resume) -> HeldSession:
        """A session that waits; whoever else still holds it is let go. Raises InvalidRequest."""
        held = self._sessions.get(resume.session_id)
        if held is None:
            raise InvalidRequest(
                "There is no such session, or it has ended. Start a new one.",
                code="session_not_found",
                param="session_id",
            )
        if (leaving := self._leaving.pop(held.id, None)) is not None:
            leaving.cancel()
        if held.let_go is not None:
            held.let_go()
        return held

    def leave(self, held: HeldSession) -> None:
        """The connection is lost; the session waits, and then is finished."""
        self._leaving[held.id] = asyncio.create_task(self._expire(held))

    async def end(self, held: HeldSession) -> None:
        """The session is over."""
        self._sessions.pop(held.id, None)
        self._leaving.pop(held.id, None)
        await held.close()

    async def _expire(self, held: HeldSession) -> None:
        await asyncio.sleep(self.grace_s)
        await self.end(held)
