"""One caption room in one process: speaker, subscriptions, caption log and outbox.

Captions of a local speaker go to local subscribers at once, and through an outbox to the store;
captions of other processes come from the store. While the store is unreachable the room goes on
locally and sends one warning; afterwards it publishes its log again, which is harmless because
every caption has a unique id.
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
_FLUSH_S = 2.0  # how long a speaker who has finished waits for the outbox to empty


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """`history` captions are kept per room, until `history_s` seconds after the last.

    At most `max_rooms` have captions or a speaker, and as many wait for one.
    `waiting` captions may wait for a viewer. A speaker's lease is renewed every `renew_s`.
    """

    max_rooms: int = 100
    max_viewers: int = 1000
    history: int = 500
    history_s: float = 3600.0
    waiting: int = 200
    renew_s: float = 5.0


@dataclass(frozen=True, slots=True)
class RoomContext:
    """What all rooms of this process share; `replica` is its name among the processes."""

    store: CaptionStore
    connection: ConnectionMonitor
    limits: RoomLimits
    replica: str
    clock: Callable[[], float] = time.monotonic


class Room:
    """Follows the store until `close`; a second task publishes while there is a local speaker."""

    def __init__(self, name: str, context: RoomContext) -> None:
        limits = context.limits
        self.log = CaptionLog(limits.history)
        self.broadcast = Broadcast(limits.max_viewers, limits.waiting)
        self._name = name
        self._context = context
        self._outbox = Outbox(2 * limits.history)
        self._changed = context.clock()
        self._speaker: Speaker | None = None
        self._taken = False
        self._leased = False
        self._merged = False
        self._following = False
        self._degraded = False
        self._unreadable = False
        self._loaded = asyncio.Event()
        self._wake = asyncio.Event()
        self._follow_task = asyncio.create_task(self._follow())
        self._publish_task: asyncio.Task[None] | None = None

    @property
    def expired(self) -> bool:
        """Whether the last caption is older than `history_s`."""
        return self._context.clock() - self._changed > self._context.limits.history_s

    @property
    def quiet(self) -> bool:
        """Whether nobody speaks and no captions are known: all that it has are viewers."""
        return not self._taken and not len(self.log)

    @property
    def spare(self) -> bool:
        """Whether it can be closed: unused, and its captions have expired or are in the store."""
        if len(self.broadcast) or self._taken:
            return False
        return self.expired or (not self._outbox and (self._following or not len(self.log)))

    def history(self) -> tuple[CaptionMessage, ...]:
        """The final captions so far."""
        if self.expired:
            self.log.clear()
        return tuple(self.log)

    async def loaded(self) -> None:
        """Return when the store's log was read, or could not be."""
        await self._loaded.wait()

    async def subscribe(self) -> Subscription:
        """A subscription to what comes after `history`. Raises Overloaded."""
        subscription = self.broadcast.subscribe()
        try:
            await self._loaded.wait()
        except asyncio.CancelledError:
            self.broadcast.unsubscribe(subscription)
            raise
        subscription.skip()
        if self._degraded:
            subscription.put(LOCAL)
        if self._unreadable:
            subscription.put(UNREADABLE)
        return subscription

    def erase(self, owner: str) -> None:
        """Delete the owner's captions; what was sent to clients already stays with them."""
        self.log.erase(owner)
        self._outbox.erase(owner)

    async def speak(self, turn: int, owner: str) -> Speaker:
        """Begin a turn as the only speaker. Raises InvalidRequest when there is one."""
        if self._taken:
            raise _room_taken()
        self._taken = True
        try:
            await self._loaded.wait()
            if not await self._claim():
                raise _room_taken()
        except BaseException:
            self._taken = False
            raise
        inbox = Subscription(self._context.limits.waiting)
        if self._degraded:
            inbox.put(LOCAL)
        replica = self._context.replica
        self._speaker = Speaker(
            inbox, lambda event: self._publish(CaptionMessage(replica, turn, event, owner)),
            lambda: self._end_turn(CaptionMessage(replica, turn, Ended(), owner)),
            self._first_id(),
        )  # fmt: skip
        if self._publish_task is None:
            self._publish_task = asyncio.create_task(self._publish_outbox())
        return self._speaker

    async def close(self) -> None:
        """Stop at once; a lease that can't be released expires."""
        tasks = [t for t in (self._follow_task, self._publish_task) if t is not None]
        await cancel_all(tasks, SWALLOWED_S)
        if self._leased:
            with suppress(Unavailable):
                await self._context.store.release(self._name, self._context.replica)

    async def flush(self) -> None:
        """Wait a little for the outbox to reach the store."""
        if self._publish_task is not None and not self._context.connection.away:
            await asyncio.wait({self._publish_task}, timeout=_FLUSH_S)

    async def _claim(self) -> bool:
        """Whether one may speak; yes while the store is unreachable."""
        if self._context.connection.away:
            self._degrade()
            return True
        try:
            return await self._context.store.claim(self._name, self._context.replica)
        except Unavailable:
            self._context.connection.report_failure()
            self._degrade()
            return True

    def _first_id(self) -> int:
        if self._merged:
            return self.log.next_id
        # The ids of other processes are unknown, but no room gets as far as this.
        return max(self.log.next_id, int(time.time()))

    def _publish(self, message: CaptionMessage) -> None:
        """Send to local clients, and queue for the store."""
        if message.settled:
            self.log.add(message)
            self._changed = self._context.clock()
        if not isinstance(message.event, CaptionsErased):
            self._send(message.event)
        self._outbox.add(message)
        self._wake.set()

    async def _end_turn(self, message: CaptionMessage) -> None:
        self._publish(message)
        self._speaker, self._taken = None, False
        self._wake.set()
        await self.flush()

    def _send(self, event: CaptionEvent) -> None:
        """Send to local clients, the speaker's included."""
        self.broadcast.send(event)
        if self._speaker is not None:
            self._speaker.inbox.put(event)

    async def _follow(self) -> None:
        """Receive the messages of other processes, reconnecting for ever."""
        store, connection = self._context.store, self._context.connection
        while True:
            if not connection.away:
                with suppress(Unavailable):
                    async with aclosing(store.follow(self._name)) as batches:
                        async for batch in batches:
                            await self._receive(batch)
                connection.report_failure()
            self._following = False
            self._degrade()
            self._publish_log_again()
            self._loaded.set()
            await connection.wait_reachable()

    async def _receive(self, batch: tuple[CaptionMessage, ...]) -> None:
        if not self._merged and len(self.log):
            # The store's log is older than what local clients have got: not sent to them.
            self.log.put_before(message for message in batch if message.settled)
            batch = tuple(message for message in batch if not message.settled)
        for message in batch:
            self._apply(message)
            await asyncio.sleep(0)  # subscribers can take this before the next one comes
        self._merged = self._following = True
        self._recover()
        self._loaded.set()

    def _apply(self, message: CaptionMessage) -> None:
        """One message from the store: erase, or log and send unless it is a duplicate."""
        if isinstance(message.event, CaptionsErased):
            self.erase(message.event.owner)
            return
        if message.settled:
            if not self.log.add(message):
                return
            self._changed = self._context.clock()
        elif message.replica == self._context.replica:
            return
        self._unreadable = self._unreadable or message.event == UNREADABLE
        self._send(message.event)

    async def _publish_outbox(self) -> None:
        """Publish in order, with retries, while there is a speaker, a message or a lease."""
        connection = self._context.connection
        while self._taken or self._outbox or self._leased:
            await connection.wait_reachable()
            try:
                await self._publish_pending()
            except Unavailable:
                connection.report_failure()
                self._leased = False
                self._degrade()
                self._publish_log_again()
        self._publish_task = None

    async def _publish_pending(self) -> None:
        store, replica = self._context.store, self._context.replica
        self._leased = self._leased or await store.claim(self._name, replica)
        if not self._leased:
            await self._yield_lease()
            return
        while self._outbox:
            message = self._outbox.first()
            self._leased = await store.publish(self._name, replica, message)
            if not self._leased:
                self._publish_log_again()
                return
            self._outbox.done(message)
        self._recover()
        if self._taken:
            await self._wait_for_message()
        else:
            self._leased = False
            await store.release(self._name, replica)

    async def _wait_for_message(self) -> None:
        """Wait for something to publish; renew the lease when nothing comes."""
        self._wake.clear()
        try:
            async with asyncio.timeout(self._context.limits.renew_s):
                await self._wake.wait()
        except TimeoutError:
            self._leased = await self._context.store.claim(self._name, self._context.replica)

    async def _yield_lease(self) -> None:
        """Another process took the lease during an outage: end the turn, retry the outbox later."""
        if self._speaker is not None:
            self._speaker.inbox.fail(_room_taken())
        await asyncio.sleep(self._context.limits.renew_s)

    def _publish_log_again(self) -> None:
        """It is unknown what the store has received and kept: send it all, it deduplicates."""
        if self._publish_task is not None:
            self._outbox.restart(self.log)
            self._wake.set()

    def _degrade(self) -> None:
        """The store is unreachable: warn clients, once for each outage."""
        if not self._degraded:
            self._degraded = True
            self._send(LOCAL)

    def _recover(self) -> None:
        if self._following and not self._outbox:
            self._degraded = False


def _room_taken() -> InvalidRequest:
    return InvalidRequest("Somebody else speaks in this room.", code="room_taken", param="room")
