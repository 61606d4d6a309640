"""One caption room as this process sees it.

Whoever speaks here is shown here at once; what other processes must know goes through an outbox
to the store, and what they tell comes from it. When the store is out of reach, the room goes on by
itself, says so once, and makes up for it later: every caption has a name, so that telling it twice
does no harm.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

from zhiyin.core.captions.connection import ConnectionMonitor
from zhiyin.core.captions.log import CaptionLog
from zhiyin.core.captions.outbox import Outbox
from zhiyin.core.captions.speaker import Speaker
from zhiyin.core.captions.subscribers import Broadcast, Subscription
from zhiyin.core.tasks import SWALLOWED_S, cancel_all
from zhiyin.domain.captions import UNREADABLE, CaptionEvent, CaptionMessage, CaptionsErased, Ended
from zhiyin.domain.errors import InvalidRequest, Unavailable
from zhiyin.domain.live import Warned
from zhiyin.ports.captions import CaptionStore

LOCAL = Warned(
    "captions_local",
    "Captions can't be shared with other servers at the moment; they go on here and follow there.",
)
_SETTLE_S = 2.0  # how long a speaker who has finished waits for the captions to reach the others


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """`history` captions are kept per room, until it was silent for `history_s` seconds.

    `waiting` captions may wait for a viewer. A speaker's place is kept up every `renew_s`.
    """

    max_rooms: int = 100
    max_viewers: int = 1000
    history: int = 500
    history_s: float = 3600.0
    waiting: int = 200
    renew_s: float = 5.0


@dataclass(frozen=True, slots=True)
class RoomContext:
    """What all rooms of this process share; `replica` is its name among the others."""

    store: CaptionStore
    link: ConnectionMonitor
    limits: RoomLimits
    replica: str
    clock: Callable[[], float] = time.monotonic


class Room:
    """Follows the store from `open` to `close`; passes on what is told here while there is any."""

    def __init__(self, name: str, context: RoomContext) -> None:
        limits = context.limits
        self.record = CaptionLog(limits.history)
        self.broadcast = Broadcast(limits.max_viewers, limits.waiting)
        self._name = name
        self._context = context
        self._outbox = Outbox(2 * limits.history)
        self._changed = context.clock()
        self._speaker: Speaker | None = None
        self._taken = False
        self._placed = False
        self._merged = False
        self._following = False
        self._troubled = False
        self._unreadable = False
        self._loaded = asyncio.Event()
        self._told = asyncio.Event()
        self._follow_task = asyncio.create_task(self._follow())
        self._write_task: asyncio.Task[None] | None = None

    @property
    def old(self) -> bool:
        """Whether it was silent for so long that it is forgotten."""
        return self._context.clock() - self._changed > self._context.limits.history_s

    @property
    def spare(self) -> bool:
        """Whether nobody misses it here: nobody is there, and the store knows what was said."""
        if len(self.broadcast) or self._taken:
            return False
        return self.old or (not self._outbox and (self._following or not len(self.record)))

    def posts(self) -> tuple[CaptionMessage, ...]:
        """What was said."""
        if self.old:
            self.record.clear()
        return tuple(self.record)

    async def loaded(self) -> None:
        """Return when the record is here, or can't be had."""
        await self._loaded.wait()

    async def join(self) -> Subscription:
        """One more viewer, who is shown what comes after `posts`. Raises Overloaded."""
        viewer = self.broadcast.join()
        try:
            await self._loaded.wait()
        except asyncio.CancelledError:
            self.broadcast.leave(viewer)
            raise
        viewer.skip()
        if self._troubled:
            viewer.show(LOCAL)
        if self._unreadable:
            viewer.show(UNREADABLE)
        return viewer

    def withdraw(self, owner: str) -> None:
        """Forget what was said on behalf of the owner; who has read it, has read it."""
        self.record.withdraw(owner)
        self._outbox.withdraw(owner)

    async def speak(self, talk: int, owner: str) -> Speaker:
        """Take the speaker's place. Raises InvalidRequest when it is taken."""
        if self._taken:
            raise _taken()
        self._taken = True
        try:
            await self._loaded.wait()
            if not await self._free():
                raise _taken()
        except BaseException:
            self._taken = False
            raise
        inbox = Subscription(self._context.limits.waiting)
        if self._troubled:
            inbox.show(LOCAL)
        replica = self._context.replica
        self._speaker = Speaker(
            inbox, lambda told: self._tell(CaptionMessage(replica, talk, told, owner)),
            lambda: self._leave(CaptionMessage(replica, talk, Ended(), owner)), self._first_id(),
        )  # fmt: skip
        if self._write_task is None:
            self._write_task = asyncio.create_task(self._write())
        return self._speaker

    async def close(self) -> None:
        """Stop at once; a speaker's place falls free by itself if it could not be left."""
        tasks = [t for t in (self._follow_task, self._write_task) if t is not None]
        await cancel_all(tasks, SWALLOWED_S)
        if self._placed:
            with suppress(Unavailable):
                await self._context.store.release(self._name, self._context.replica)

    async def settle(self) -> None:
        """Wait a while for the others to have been told."""
        if self._write_task is not None and not self._context.link.away:
            await asyncio.wait({self._write_task}, timeout=_SETTLE_S)

    async def _free(self) -> bool:
        """Whether one may speak; when that can't be known, one may."""
        if self._context.link.away:
            self._fail()
            return True
        try:
            return await self._context.store.claim(self._name, self._context.replica)
        except Unavailable:
            self._context.link.lost()
            self._fail()
            return True

    def _first_id(self) -> int:
        if self._merged:
            return self.record.next_id
        # Nobody can say how far the others have counted, but no room gets as far as this.
        return max(self.record.next_id, int(time.time()))

    def _tell(self, post: CaptionMessage) -> None:
        if post.settled:
            self.record.add(post)
            self._changed = self._context.clock()
        if not isinstance(post.told, CaptionsErased):
            self._show(post.told)
        self._outbox.add(post)
        self._told.set()

    async def _leave(self, post: CaptionMessage) -> None:
        self._tell(post)
        self._speaker, self._taken = None, False
        self._told.set()
        await self.settle()

    def _show(self, told: CaptionEvent) -> None:
        self.broadcast.show(told)
        if self._speaker is not None:
            self._speaker.inbox.show(told)

    async def _follow(self) -> None:
        """Hear what others tell."""
        store, link = self._context.store, self._context.link
        while True:
            if not link.away:
                with suppress(Unavailable):
                    async with aclosing(store.follow(self._name)) as batches:
                        async for batch in batches:
                            await self._hear(batch)
                link.lost()
            self._following = False
            self._fail()
            self._begin_again()
            self._loaded.set()
            await link.back()

    async def _hear(self, batch: tuple[CaptionMessage, ...]) -> None:
        if not self._merged and len(self.record):
            # It was said before, and elsewhere: no news for anybody.
            self.record.put_before(post for post in batch if post.settled)
            batch = tuple(post for post in batch if not post.settled)
        for post in batch:
            self._pass_on(post)
            await asyncio.sleep(0)  # who reads can take this before the next one comes
        self._merged = self._following = True
        self._recover()
        self._loaded.set()

    def _pass_on(self, post: CaptionMessage) -> None:
        if isinstance(post.told, CaptionsErased):
            self.withdraw(post.told.owner)
            return
        if post.settled:
            if not self.record.add(post):
                return
            self._changed = self._context.clock()
        elif post.replica == self._context.replica:
            return
        self._unreadable = self._unreadable or post.told == UNREADABLE
        self._show(post.told)

    async def _write(self) -> None:
        """Tell the others, in order, while somebody speaks here or something waits."""
        link = self._context.link
        while self._taken or self._outbox or self._placed:
            await link.back()
            try:
                await self._pass_outbox()
            except Unavailable:
                link.lost()
                self._placed = False
                self._fail()
                self._begin_again()
        self._write_task = None

    async def _pass_outbox(self) -> None:
        store, replica = self._context.store, self._context.replica
        self._placed = self._placed or await store.claim(self._name, replica)
        if not self._placed:
            await self._stand_back()
            return
        while self._outbox:
            post = self._outbox.first()
            self._placed = await store.publish(self._name, replica, post)
            if not self._placed:
                self._begin_again()
                return
            self._outbox.done(post)
        self._recover()
        if self._taken:
            await self._wait()
        else:
            self._placed = False
            await store.release(self._name, replica)

    async def _wait(self) -> None:
        """For something to tell; the place is kept up meanwhile."""
        self._told.clear()
        try:
            async with asyncio.timeout(self._context.limits.renew_s):
                await self._told.wait()
        except TimeoutError:
            self._placed = await self._context.store.claim(self._name, self._context.replica)

    async def _stand_back(self) -> None:
        """Somebody else has come while the store, or this process, was away; what waits, waits."""
        if self._speaker is not None:
            self._speaker.inbox.fail(_taken())
        await asyncio.sleep(self._context.limits.renew_s)

    def _begin_again(self) -> None:
        """Nobody knows what the store has got and kept: tell it all, it knows what is new."""
        if self._write_task is not None:
            self._outbox.again(self.record)
            self._told.set()

    def _fail(self) -> None:
        """The store is out of reach: say so, once until it is well again."""
        if not self._troubled:
            self._troubled = True
            self._show(LOCAL)

    def _recover(self) -> None:
        if self._following and not self._outbox:
            self._troubled = False


def _taken() -> InvalidRequest:
    return InvalidRequest("Somebody else speaks in this room.", code="room_taken", param="room")
