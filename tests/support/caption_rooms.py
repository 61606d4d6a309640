"""Speakers and readers of caption rooms without audio: events as a live session sends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support.waiting import until
from zhiyin.core.captions.connection import RetryPauses
from zhiyin.core.captions.room import LOCAL, RoomLimits
from zhiyin.core.captions.rooms import Rooms
from zhiyin.core.captions.subscribers import Subscription
from zhiyin.domain.captions import Caption, CaptionEvent, CaptionMessage, Ended
from zhiyin.domain.errors import AsrError
from zhiyin.domain.live import Final, Partial
from zhiyin.ports.captions import CaptionStore

PAUSES = RetryPauses(well_s=0.2, first_s=0.05, longest_s=0.2)


def final(number: int, text: str = "") -> Final:
    return Final(number, text or f"text {number}", number, number + 0.9, "en", 0.9, "vad")


def partial(number: int, stable: str = "", unstable: str = "perhaps") -> Partial:
    return Partial(number, 1, stable, unstable, number + 0.5)


def said(number: int, *, replica: str = "a", talk: int = 0, text: str = "") -> CaptionMessage:
    text = text or f"{replica}{talk}-{number}"
    return CaptionMessage(
        replica, talk, Caption(number, text, text, True, number, number + 1.5, "zh")
    )


class Reader:
    """A viewer who writes down what is shown."""

    def __init__(self, history: tuple[Caption, ...], viewer: Subscription) -> None:
        self.history = history
        self.told: list[CaptionEvent] = []
        self.error: AsrError | None = None
        self._task = asyncio.create_task(self._read(viewer))

    async def _read(self, viewer: Subscription) -> None:
        try:
            async for told in viewer.events():
                self.told.append(told)
        except AsrError as error:
            self.error = error

    @property
    def texts(self) -> list[str]:
        """History and finals after it."""
        seen = [c.text for c in self.history]
        return seen + [t.text for t in self.told if isinstance(t, Caption) and t.final]

    @property
    def warned(self) -> int:
        """How often it was told that captions are not shared."""
        return self.told.count(LOCAL)

    @property
    def ended(self) -> bool:
        """Whether the speaker has finished."""
        return any(isinstance(t, Ended) for t in self.told)

    async def has(self, *texts: str) -> None:
        """Wait for these to be all there is."""
        try:
            await until(lambda: self.texts == list(texts))
        except AssertionError:
            assert self.texts == list(texts)

    def stop(self) -> None:
        """Read no more."""
        self._task.cancel()


@asynccontextmanager
async def reading(rooms: Rooms, room: str) -> AsyncIterator[Reader]:
    """A viewer of the room."""
    async with rooms.subscribe(room) as (history, viewer):
        reader = Reader(history, viewer)
        try:
            yield reader
        finally:
            reader.stop()


@asynccontextmanager
async def replicas(
    *stores: CaptionStore, limits: RoomLimits | None = None
) -> AsyncIterator[tuple[Rooms, ...]]:
    """As many processes as stores."""
    limits = limits or RoomLimits(renew_s=0.2)
    async with AsyncExitStack() as stack:
        made = []
        for store in stores:
            rooms = Rooms(store, limits, PAUSES)
            rooms.start()
            stack.push_async_callback(rooms.close)
            made.append(rooms)
        yield tuple(made)
