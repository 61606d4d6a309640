"""Who reads a room's captions; none of them slows another, or the speaker."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from zhiyin.domain.captions import Caption, CaptionEvent
from zhiyin.domain.errors import AsrError, Overloaded, SlowReader


class Subscription:
    """Somebody who reads; a caption that a newer one has overtaken is not read any more.

    What else is told is never left out: when more than `capacity` of it waits, it is all over.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: deque[CaptionEvent] = deque()
        self._changed = asyncio.Event()
        self._error: AsrError | None = None

    def show(self, told: CaptionEvent) -> None:
        """Something new."""
        if self._error is not None:
            return
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, Caption) and not last.final and _follows(last, told):
            self._waiting.pop()
        self._waiting.append(told)
        if len(self._waiting) > self._capacity:
            self._waiting.clear()
            self.fail(SlowReader("The connection is too slow for these captions."))
        self._changed.set()

    def fail(self, error: AsrError) -> None:
        """After what waits, this."""
        self._error = self._error or error
        self._changed.set()

    def skip(self) -> None:
        """What waits is known already."""
        self._waiting.clear()

    async def told(self) -> AsyncIterator[CaptionEvent]:
        """What is shown, whoever speaks next. Raises what it failed with."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._error is not None:
                raise self._error
            self._changed.clear()
            await self._changed.wait()


def _follows(last: Caption, told: CaptionEvent) -> bool:
    return isinstance(told, Caption) and told.id == last.id


class Broadcast:
    """All viewers of a room, at most `most`."""

    def __init__(self, most: int, capacity: int) -> None:
        self._most = most
        self._capacity = capacity
        self._viewers: set[Subscription] = set()

    def __len__(self) -> int:
        return len(self._viewers)

    def join(self) -> Subscription:
        """One more. Raises Overloaded."""
        if len(self._viewers) >= self._most:
            raise Overloaded("The room is full. Try again later.", retry_after_s=10.0)
        viewer = Subscription(self._capacity)
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Subscription) -> None:
        """The viewer is gone."""
        self._viewers.discard(viewer)

    def show(self, told: CaptionEvent) -> None:
        """Tell everybody."""
        for viewer in self._viewers:
            viewer.show(told)
