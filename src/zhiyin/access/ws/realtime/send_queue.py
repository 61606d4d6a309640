"""Events that wait to be sent to a Realtime client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable

from zhiyin.access.json_types import Json
from zhiyin.access.ws.dialect import Attachment
from zhiyin.domain.errors import SlowReader


class SendQueue:
    """In order, none dropped: when more than `most` wait, `attachment` ends with SlowReader.

    A delta that still waits grows instead of another one waiting behind it.
    """

    def __init__(self, most: int) -> None:
        self.attachment: Attachment = asyncio.get_running_loop().create_future()
        self._most = most
        self._events: deque[Json] = deque()
        self._changed = asyncio.Event()
        self._over = False

    def put(self, events: Iterable[Json]) -> None:
        """Add events."""
        for event in events:
            last = self._events[-1] if self._events else {}
            if "delta" in event and last.get("item_id") == event["item_id"] and "delta" in last:
                last["delta"] += event["delta"]
            else:
                self._events.append(event)
        if len(self._events) > self._most and not self.attachment.done():
            self.attachment.set_exception(SlowReader("The events of this session are not read."))
        self._changed.set()

    def finish(self) -> None:
        """There will be no more."""
        self._over = True
        self._changed.set()

    async def read(self) -> AsyncIterator[Json]:
        """What comes, until the end."""
        while self._events or not self._over:
            while self._events:
                yield self._events.popleft()
            if not self._over:
                self._changed.clear()
                await self._changed.wait()
