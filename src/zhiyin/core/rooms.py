"""Caption rooms: what one speaker says goes to any number of viewers, none of whom slows it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from zhiyin.domain.errors import InvalidRequest, Overloaded
from zhiyin.domain.live import Final, LiveEvent, Partial, Warned

_WAITING = 200  # captions that may wait for a viewer


@dataclass(frozen=True, slots=True)
class Caption:
    """A segment's text as it stands; seconds of the speaker's sound. `stable` begins `text`."""

    id: int
    text: str
    stable: str
    final: bool
    start: float
    end: float
    language: str


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """`history` captions are kept per room, until it was silent for `history_s` seconds."""

    max_rooms: int = 100
    max_viewers: int = 1000
    history: int = 500
    history_s: float = 3600.0


class Viewer:
    """Somebody who reads; a caption that a newer one has overtaken is not read any more."""

    def __init__(self) -> None:
        self._waiting: deque[Caption | Warned | None] = deque()
        self._changed = asyncio.Event()
        self._late = False

    def show(self, told: Caption | Warned | None) -> None:
        """Something new; None says that the speaker has finished."""
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, Caption) and isinstance(told, Caption) and last.id == told.id:
            self._waiting.pop()
        self._waiting.append(told)
        self._late = self._late or len(self._waiting) > _WAITING
        self._changed.set()

    async def captions(self) -> AsyncIterator[Caption | Warned | None]:
        """What is shown, whoever speaks next. Raises Overloaded to those too slow."""
        while True:
            if self._late:
                raise Overloaded("The connection is too slow for these captions.")
            if self._waiting:
                yield self._waiting.popleft()
            else:
                self._changed.clear()
                await self._changed.wait()


@dataclass(eq=False, slots=True)
class Room:
    """One speaker, its captions, and who reads them."""

    limits: RoomLimits
    history: deque[Caption] = field(default_factory=deque)
    speaking: bool = False
    used: float = 0.0
    _viewers: set[Viewer] = field(default_factory=set)
    _starts: dict[int, float] = field(default_factory=dict)
    _first_id: int = 0

    @property
    def empty(self) -> bool:
        """Whether nobody is here."""
        return not self.speaking and not self._viewers

    def publish(self, event: LiveEvent) -> Caption | Warned | None:
        """Tell the viewers what the speaker's session told; what they see of it."""
        told = event if isinstance(event, Warned) else self._caption(event)
        if told is None:
            return None
        if isinstance(told, Caption) and told.final and told.text:
            self.history.append(told)
            while len(self.history) > self.limits.history:
                self.history.popleft()
        for viewer in self._viewers:
            viewer.show(told)
        return told

    def join(self) -> Viewer:
        """One more viewer. Raises Overloaded."""
        if len(self._viewers) >= self.limits.max_viewers:
            raise Overloaded("The room is full. Try again later.", retry_after_s=10.0)
        viewer = Viewer()
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """The viewer is gone."""
        self._viewers.discard(viewer)

    def begin(self) -> None:
        """A speaker comes. Raises InvalidRequest when there is one."""
        if self.speaking:
            raise InvalidRequest(
                "Somebody else speaks in this room.", code="room_taken", param="room"
            )
        self.speaking = True
        self._first_id = self.history[-1].id + 1 if self.history else 0

    def finish(self) -> None:
        """The speaker is gone."""
        self.speaking = False
        for viewer in self._viewers:
            viewer.show(None)

    def _caption(self, event: LiveEvent) -> Caption | None:
        if isinstance(event, Partial):
            text = event.stable + event.unstable
            start = self._starts.setdefault(event.segment_id, event.audio_end)
            number = self._first_id + event.segment_id
            return Caption(number, text, event.stable, False, start, event.audio_end, "")
        if isinstance(event, Final):
            self._starts.pop(event.segment_id, None)
            number = self._first_id + event.segment_id
            return Caption(
                number, event.text, event.text, True, event.start, event.end, event.language
            )
        return None


class Rooms:
    """All rooms of this process."""

    def __init__(self, limits: RoomLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._rooms: dict[str, Room] = {}

    def enter(self, name: str) -> Room:
        """The room of that name, made when there is none. Raises Overloaded."""
        now = self._clock()
        for known, room in list(self._rooms.items()):
            if room.empty and now - room.used > self._limits.history_s:
                del self._rooms[known]
        if name not in self._rooms:
            if len(self._rooms) >= self._limits.max_rooms:
                raise Overloaded("There are too many rooms. Try again later.", retry_after_s=60.0)
            self._rooms[name] = Room(self._limits)
        self._rooms[name].used = now
        return self._rooms[name]

    def private(self) -> Room:
        """A room that nobody else finds."""
        return Room(self._limits)
