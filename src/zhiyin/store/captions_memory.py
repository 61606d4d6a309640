"""Caption rooms of this process alone."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from zhiyin.domain.captions import Caption, CaptionMessage, CaptionsErased
from zhiyin.domain.errors import Unavailable

_WAITING = 1000  # posts that may wait for a follower


@dataclass(slots=True, eq=False)
class _Follower:
    waiting: deque[CaptionMessage] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    late: bool = False

    def tell(self, message: CaptionMessage) -> None:
        self.late = self.late or len(self.waiting) >= _WAITING
        if not self.late:
            self.waiting.append(message)
        self.changed.set()


@dataclass(slots=True)
class _Room:
    record: deque[CaptionMessage]
    recorded: float = 0.0
    holder: str = ""
    held_until: float = 0.0
    followers: set[_Follower] = field(default_factory=set)

    def holds(self, holder: str, now: float) -> bool:
        return self.holder == holder and now < self.held_until

    def knows(self, message: CaptionMessage) -> bool:
        """Whether this or a later caption of the same speaker was recorded."""
        for known in reversed(self.record):
            if (known.replica, known.turn) == (message.replica, message.turn):
                return _id(known) >= _id(message)
        return False


class MemoryCaptions:
    """A `CaptionStore`. `history` captions a room, for `history_s`; places for `lease_s`.

    Of more than `max_rooms` records the one that was silent longest is forgotten.
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
        place, now = self._room(room), self._clock()
        if place.holder != holder and now < place.held_until:
            return False
        place.holder, place.held_until = holder, now + self._lease_s
        return True

    async def release(self, room: str, holder: str) -> None:
        """See the port."""
        place = self._rooms.get(room)
        if place is not None and place.holder == holder:
            place.held_until = 0.0
            self._tidy(room)

    async def publish(self, room: str, holder: str, message: CaptionMessage) -> bool:
        """See the port."""
        place, now = self._room(room), self._clock()
        if not place.holds(holder, now):
            self._tidy(room)
            return False
        place.held_until = now + self._lease_s
        if message.settled and not self._recorded(place, message, now):
            return True
        for follower in place.followers:
            follower.tell(message)
        return True

    async def history(self, room: str) -> tuple[CaptionMessage, ...]:
        """See the port."""
        place = self._rooms.get(room)
        if place is None or self._old(place):
            return ()
        return tuple(place.record)

    async def erase(self, owner: str) -> int:
        """See the port."""
        erased = 0
        for place in self._rooms.values():
            kept = [message for message in place.record if message.owner != owner]
            erased += len(place.record) - len(kept)
            place.record = deque(kept, maxlen=self._history)
            for follower in place.followers:
                follower.tell(CaptionMessage("", 0, CaptionsErased(owner), owner))
        return erased

    async def follow(self, room: str) -> AsyncGenerator[tuple[CaptionMessage, ...], None]:
        """See the port."""
        place, follower = self._room(room), _Follower()
        place.followers.add(follower)
        try:
            yield tuple(place.record)
            while True:
                while follower.waiting:
                    yield (follower.waiting.popleft(),)
                if follower.late:
                    raise Unavailable("The captions came too fast.")
                follower.changed.clear()
                await follower.changed.wait()
        finally:
            place.followers.discard(follower)
            self._tidy(room)

    async def check(self) -> None:
        """See the port."""

    async def close(self) -> None:
        """See the port."""
        self._rooms.clear()

    def _room(self, name: str) -> _Room:
        place = self._rooms.setdefault(name, _Room(deque(maxlen=self._history)))
        if self._old(place):
            place.record.clear()
        return place

    def _old(self, place: _Room) -> bool:
        return self._clock() - place.recorded > self._history_s

    def _recorded(self, place: _Room, message: CaptionMessage, now: float) -> bool:
        """Record it unless it is there already."""
        if place.knows(message):
            return False
        place.record.append(message)
        place.recorded = now
        self._make_space()
        return True

    def _make_space(self) -> None:
        kept = [place for place in self._rooms.values() if place.record]
        if len(kept) > self._max_rooms:
            min(kept, key=lambda place: place.recorded).record.clear()

    def _tidy(self, name: str) -> None:
        """Drop a room that nobody uses and nothing is known of."""
        place = self._rooms.get(name)
        if place is None or place.followers or self._clock() < place.held_until:
            return
        if not place.record or self._old(place):
            del self._rooms[name]


def _id(message: CaptionMessage) -> int:
    return message.event.id if isinstance(message.event, Caption) else -1
