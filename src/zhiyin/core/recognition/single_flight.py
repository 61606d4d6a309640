"""A recognition under way, which several requests follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator

from zhiyin.domain.events import Event, Finished, Progress, SegmentReady
from zhiyin.domain.transcript import Transcript


class SharedRun:
    """What it has told so far, for any number of readers at their own pace.

    `landed` is its result; a `private` one is not kept.
    """

    def __init__(self) -> None:
        self.result: Transcript | None = None
        self.over = False
        self.private = False
        self._told: list[Event] = []
        self._changed = asyncio.Event()

    def tell(self, event: Event) -> None:
        """The next event."""
        self._told.append(event)
        if isinstance(event, Finished):
            self.result = event.transcript
        self._wake()

    def end(self) -> None:
        """Nothing more comes; idempotent."""
        self.over = True
        self._wake()

    async def events(self) -> AsyncGenerator[Event, None]:
        """All events from the first, as they come; after the last one, or a failure, the end."""
        at = 0
        while True:
            changed = self._changed
            while at < len(self._told):
                at += 1
                yield self._told[at - 1]
            if self.over or self.result is not None:
                return
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def replay(transcript: Transcript, told_s: float = -1.0) -> Iterator[Event]:
    """The events of a recognition whose result is known, to one who heard `told_s` of progress."""
    duration = transcript.duration
    if told_s < 0:
        yield Progress(0.0, duration)
    for index, segment in enumerate(transcript.segments):
        yield SegmentReady(index, segment)
    if told_s < duration:
        yield Progress(duration, duration)
    yield Finished(transcript)
