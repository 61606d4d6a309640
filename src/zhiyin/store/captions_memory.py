"""Caption rooms of this process alone."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from zhiyin.domain.captions import Caption, CaptionMessage, CaptionsErased
from zhiyin.domain.errors import Unavailable

_MAX_PENDING = 1000  # messages that may wait for a follower


@dataclass(slots=True, eq=False)
class _Follower:
    waiting: deque[CaptionMessage] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    late: bool = False

    def push(self, message: CaptionMessage) -> None:
        self.late = self.late or len(self.waiting) >= _MAX_PENDING
        if not self.late:
            self.waiting.append(message)
        self.changed.set()


@dataclass(slots=True)
class _Room:
    log: deque[CaptionMessage]
    logged_at: float = 0.0
    holder: str = ""
    held_until: float = 0.0
    followers: set[_Follower] = field(default_factory=set)

    def holds(self, holder: str, now: float) -> bool:
        return self.holder == holder and now < self.held_until

    def has_logged(self, message: CaptionMessage) -> bool:
        """Whether this or a later caption of the same speaker was logged."""
        for known in reversed(self.log):
            if (known.replica, known.turn) == (message.replica, message.turn):
                return _id(known) >= _id(message)
        return False


class MemoryCaptions:
    """A `CaptionStore` in memory. `history` captions a room, for `history_s`; leases of `lease_s`.

    Of more than `max_rooms` logs the one that was idle longest is deleted.
    """

    def __init__(
        self,
        *,
        history: int = 500,
        history_s: float = 3600.0,
        lease_s: float = 15.0,
        max_rooms: int = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._history = history
        self._history_s = history_s
        self._lease_s = lease_s
        self._max_rooms = max_rooms
        self._clock = clock
        self._rooms: dict[str, _Room] = {}

    async def claim(self, room: str, holder: str) -> bool:
        """See the port."""
        state, now = self._room(room), self._clock()
        if state.holder != holder and now < state.held_until:
            return False
        state.holder, state.held_until = holder, now + self._lease_s
        return True

    async def release(self, room: str, holder: str) -> None:
        """See the port."""
        state = self._rooms.get(room)
        if state is not None and state.holder == holder:
            state.held_until = 0.0
            self._drop_if_unused(room)

    async def publish(self, room: str, holder: str, message: CaptionMessage) -> bool:
        """See the port."""
        state, now = self._room(room), self._clock()
        if not state.holds(holder, now):
            self._drop_if_unused(room)
            return False
        state.held_until = now + self._lease_s
        if message.settled and not self._append(state, message, now):
            return True
        for follower in state.followers:
            follower.push(message)
        return True

    async def history(self, room: str) -> tuple[CaptionMessage, ...]:
        """See the port."""
        state = self._rooms.get(room)
        if state is None or self._expired(state):
            return ()
        return tuple(state.log)

    async def erase(self, owner: str) -> int:
        """See the port."""
        erased = 0
        for state in self._rooms.values():
            kept = [message for message in state.log if message.owner != owner]
            erased += len(state.log) - len(kept)
            state.log = deque(kept, maxlen=self._history)
            for follower in state.followers:
                follower.push(CaptionMessage("", 0, CaptionsErased(owner), owner))
        return erased

    async def follow(self, room: str) -> AsyncGenerator[tuple[CaptionMessage, ...], None]:
        """See the port."""
        state, follower = self._room(room), _Follower()
        state.followers.add(follower)
        try:
            yield tuple(state.log)
            while True:
                while follower.waiting:
                    yield (follower.waiting.popleft(),)
                if follower.late:
                    raise Unavailable("The captions came too fast.")
                follower.changed.clear()
                await follower.changed.wait()
        finally:
            state.followers.discard(follower)
            self._drop_if_unused(room)

    async def check(self) -> None:
        """See the port."""

    async def close(self) -> None:
        """See the port."""
        self._rooms.clear()

    def _room(self, name: str) -> _Room:
        state = self._rooms.setdefault(name, _Room(deque(maxlen=self._history)))
        if self._expired(state):
            state.log.clear()
        return state

    def _expired(self, state: _Room) -> bool:
        return self._clock() - state.logged_at > self._history_s

    def _append(self, state: _Room, message: CaptionMessage, now: float) -> bool:
        """Log it; False when it is logged already."""
        if state.has_logged(message):
            return False
        state.log.append(message)
        state.logged_at = now
        self._evict()
        return True

    def _evict(self) -> None:
        kept = [state for state in self._rooms.values() if state.log]
        if len(kept) > self._max_rooms:
            min(kept, key=lambda state: state.logged_at).log.clear()

    def _drop_if_unused(self, name: str) -> None:
        """Drop a room without followers, lease and log."""
        state = self._rooms.get(name)
        if state is None or state.followers or self._clock() < state.held_until:
            return
        if not state.log or self._expired(state):
            del self._rooms[name]


def _id(message: CaptionMessage) -> int:
    return message.event.id if isinstance(message.event, Caption) else -1
