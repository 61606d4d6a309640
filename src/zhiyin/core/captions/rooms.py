"""Caption rooms: what one speaker says goes to any number of viewers, none of whom slows it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

from zhiyin.core.captions.connection import USUAL_PAUSES, ConnectionMonitor, RetryPauses
from zhiyin.core.captions.log import captions
from zhiyin.core.captions.room import Room, RoomContext, RoomLimits
from zhiyin.core.captions.speaker import Speaker
from zhiyin.core.captions.subscribers import Subscription
from zhiyin.core.tasks import SWALLOWED_S, cancel_all
from zhiyin.domain.caller import Caller
from zhiyin.domain.captions import Caption, CaptionMessage, Ended
from zhiyin.domain.errors import Overloaded, Unavailable
from zhiyin.ports.captions import CaptionStore

_SWEEP_S = 10.0


class Rooms:
    """All rooms as this process sees them; the store is where its speakers and viewers meet others.

    Used from one event loop, between `start` and `close`. A `ports.erasure.Erasable`.
    """

    name = "captions"

    def __init__(
        self,
        store: CaptionStore,
        limits: RoomLimits,
        pauses: RetryPauses = USUAL_PAUSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        link = ConnectionMonitor(store.check, pauses)
        self._context = RoomContext(store, link, limits, secrets.token_hex(8), clock)
        self._rooms: dict[str, Room] = {}
        self._talks = count()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def away(self) -> bool:
        """Whether the store is out of reach, so that every process is by itself."""
        return self._context.link.away

    def start(self) -> None:
        """Begin to watch the store."""
        self._tasks = [
            asyncio.create_task(self._context.link.watch()),
            asyncio.create_task(self._sweep_now_and_then()),
        ]

    async def close(self) -> None:
        """Stop; what waits for the store is waited for a little."""
        rooms, self._rooms = list(self._rooms.values()), {}
        await asyncio.gather(*(room.settle() for room in rooms))
        await asyncio.gather(*(room.close() for room in rooms))
        await cancel_all(self._tasks, SWALLOWED_S)
        await self._context.store.close()

    @asynccontextmanager
    async def view(self, name: str) -> AsyncIterator[tuple[tuple[Caption, ...], Subscription]]:
        """What was said in the room, and what will be. Raises Overloaded."""
        room = self._enter(name)
        viewer = await room.join()
        try:
            yield captions(room.posts()), viewer
        finally:
            room.broadcast.leave(viewer)
            await self._sweep()

    async def speak(self, name: str, caller: Caller) -> Speaker:
        """Speak in the room; finish it. Raises Overloaded, or InvalidRequest when it is taken."""
        return await self._enter(name).speak(next(self._talks), caller.owner)

    async def erase(self, owner: str) -> int:
        """Remove what was said on behalf of the owner; how many captions. Raises Unavailable."""
        for room in self._rooms.values():
            room.withdraw(owner)
        return await self._context.store.erase(owner)

    def private(self) -> Speaker:
        """Speak where nobody else reads."""
        inbox = Subscription(self._context.limits.waiting)

        async def leave() -> None:
            inbox.show(Ended())

        return Speaker(inbox, inbox.show, leave)

    async def posts(self, name: str) -> tuple[CaptionMessage, ...]:
        """What was said in the room. Raises Unavailable when nobody here knows."""
        room = self._rooms.get(name)
        if room is not None:
            await room.loaded()
            return room.posts()
        if self.away:
            raise Unavailable("The captions are out of reach. Try again later.", retry_after_s=5.0)
        try:
            return await self._context.store.history(name)
        except Unavailable:
            self._context.link.lost()
            raise

    def _enter(self, name: str) -> Room:
        if name not in self._rooms:
            if len(self._rooms) >= self._context.limits.max_rooms:
                raise Overloaded("There are too many rooms. Try again later.", retry_after_s=60.0)
            self._rooms[name] = Room(name, self._context)
        return self._rooms[name]

    async def _sweep(self) -> None:
        spare = [name for name, room in self._rooms.items() if room.spare]
        await asyncio.gather(*(self._rooms.pop(name).close() for name in spare))

    async def _sweep_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            await self._sweep()
