"""Caption rooms of one process: speak, subscribe, history, erase. The store joins processes."""

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
    """All rooms of this process, opened on demand and closed when unused.

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
        connection = ConnectionMonitor(store.check, pauses)
        self._context = RoomContext(store, connection, limits, secrets.token_hex(8), clock)
        self._rooms: dict[str, Room] = {}
        self._turns = count()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def away(self) -> bool:
        """Whether the store is unreachable, so that captions stay local."""
        return self._context.connection.away

    def start(self) -> None:
        """Monitor the store."""
        self._tasks = [
            asyncio.create_task(self._context.connection.watch()),
            asyncio.create_task(self._sweep_regularly()),
        ]

    async def close(self) -> None:
        """Stop, after a short time for the outboxes to reach the store."""
        rooms, self._rooms = list(self._rooms.values()), {}
        await asyncio.gather(*(room.flush() for room in rooms))
        await asyncio.gather(*(room.close() for room in rooms))
        await cancel_all(self._tasks, SWALLOWED_S)
        await self._context.store.close()

    @asynccontextmanager
    async def subscribe(self, name: str) -> AsyncIterator[tuple[tuple[Caption, ...], Subscription]]:
        """The history of the room, and the events after it. Raises Overloaded."""
        room = await self._watched(name)
        subscription = await room.subscribe()
        try:
            yield captions(room.history()), subscription
        finally:
            room.broadcast.unsubscribe(subscription)
            await self._sweep()

    async def speak(self, name: str, caller: Caller) -> Speaker:
        """Begin a turn; finish it. Raises Overloaded, or InvalidRequest when there is a speaker."""
        room = await self._spoken_in(name)
        return await room.speak(next(self._turns), caller.owner)

    async def erase(self, owner: str) -> int:
        """Delete the owner's captions everywhere; how many. Raises Unavailable."""
        for room in self._rooms.values():
            room.erase(owner)
        return await self._context.store.erase(owner)

    def private(self) -> Speaker:
        """A speaker without a room: captions go to its own client only."""
        inbox = Subscription(self._context.limits.waiting)

        async def leave() -> None:
            inbox.put(Ended())

        return Speaker(inbox, inbox.put, leave)

    async def history(self, name: str) -> tuple[CaptionMessage, ...]:
        """The final captions of the room. Raises Unavailable when only the store has them."""
        room = self._rooms.get(name)
        if room is not None:
            await room.loaded()
            return room.history()
        if self.away:
            raise Unavailable("The captions are out of reach. Try again later.", retry_after_s=5.0)
        try:
            return await self._context.store.history(name)
        except Unavailable:
            self._context.connection.report_failure()
            raise

    async def _spoken_in(self, name: str) -> Room:
        """For a speaker. Raises Overloaded when too many other rooms have captions."""
        room = self._rooms.get(name)
        if room is None or room.quiet:
            if self._places(quiet=False) <= 0:
                await self._sweep()
            if self._places(quiet=False) <= 0:
                raise _too_many()
        return self._enter(name)

    async def _watched(self, name: str) -> Room:
        """For a viewer. Raises Overloaded.

        Anybody can wait in rooms that nobody ever speaks in, so those have places of their own.
        """
        if name not in self._rooms:
            quiet = self._places(quiet=True) > 0 or not await self._has_captions(name)
            if self._places(quiet=quiet) <= 0 and name not in self._rooms:
                raise _too_many()
        return self._enter(name)

    def _places(self, *, quiet: bool) -> int:
        taken = sum(room.quiet == quiet for room in self._rooms.values())
        return self._context.limits.max_rooms - taken

    async def _has_captions(self, name: str) -> bool:
        try:
            return bool(await self._context.store.history(name))
        except Unavailable:
            return False

    def _enter(self, name: str) -> Room:
        if name not in self._rooms:
            self._rooms[name] = Room(name, self._context)
        return self._rooms[name]

    async def _sweep(self) -> None:
        spare = [name for name, room in self._rooms.items() if room.spare]
        await asyncio.gather(*(self._rooms.pop(name).close() for name in spare))

    async def _sweep_regularly(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            await self._sweep()


def _too_many() -> Overloaded:
    return Overloaded("There are too many rooms. Try again later.", retry_after_s=60.0)
