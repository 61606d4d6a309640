"""Subscriptions to a room's captions: a queue for each client, so that none slows another."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from zhiyin.domain.captions import Caption, CaptionEvent
from zhiyin.domain.errors import AsrError, Overloaded, SlowReader


class Subscription:
    """A client's queue of events; a newer version of a caption replaces a waiting partial one.

    Other events are never dropped: when more than `capacity` of them wait, it fails.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: deque[CaptionEvent] = deque()
        self._changed = asyncio.Event()
        self._error: AsrError | None = None

    def put(self, event: CaptionEvent) -> None:
        """Queue an event."""
        if self._error is not None:
            return
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, Caption) and not last.final and _replaces(event, last):
            self._waiting.pop()
        self._waiting.append(event)
        if len(self._waiting) > self._capacity:
            self._waiting.clear()
            self.fail(SlowReader("The connection is too slow for these captions."))
        self._changed.set()

    def fail(self, error: AsrError) -> None:
        """Raise the error in `events`, after what waits."""
        self._error = self._error or error
        self._changed.set()

    def skip(self) -> None:
        """Drop what waits: the client has it already."""
        self._waiting.clear()

    async def events(self) -> AsyncIterator[CaptionEvent]:
        """Events of all speakers, in order; endless. Raises what it failed with."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._error is not None:
                raise self._error
            self._changed.clear()
            await self._changed.wait()


def _replaces(event: CaptionEvent, last: Caption) -> bool:
    return isinstance(event, Caption) and event.id == last.id


class Broadcast:
    """All subscriptions of a room, at most `most`."""

    def __init__(self, most: int, capacity: int) -> None:
        self._most = most
        self._capacity = capacity
        self._subscriptions: set[Subscription] = set()

    def __len__(self) -> int:
        return len(self._subscriptions)

    def subscribe(self) -> Subscription:
        """One more. Raises Overloaded."""
        if len(self._subscriptions) >= self._most:
            raise Overloaded("The room is full. Try again later.", retry_after_s=10.0)
        subscription = Subscription(self._capacity)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """One less."""
        self._subscriptions.discard(subscription)

    def send(self, event: CaptionEvent) -> None:
        """Queue an event for every subscription."""
        for subscription in self._subscriptions:
            subscription.put(event)
