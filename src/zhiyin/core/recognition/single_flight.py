"""Single flight: one recognition under way, which several requests follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator

from zhiyin.domain.events import Event, Finished, Progress, SegmentReady
from zhiyin.domain.transcript import Transcript


class SharedRun:
    """The events of a recognition so far, for any number of readers at their own pace.

    `result` is its transcript once there is one; that of a `private` run is not cached.
    """

    def __init__(self) -> None:
        self.result: Transcript | None = None
        self.over = False
        self.private = False
        self._events: list[Event] = []
        self._changed = asyncio.Event()

    def add(self, event: Event) -> None:
        """Append the next event and wake the readers."""
        self._events.append(event)
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
            while at < len(self._events):
                at += 1
                yield self._events[at - 1]
            if self.over or self.result is not None:
                return
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def replay(transcript: Transcript, processed_s: float = -1.0) -> Iterator[Event]:
    """The events of a known result, for a reader that had progress until `processed_s`."""
    duration = transcript.duration
    if processed_s < 0:
        yield Progress(0.0, duration)
    for index, segment in enumerate(transcript.segments):
        yield SegmentReady(index, segment)
    if processed_s < duration:
        yield Progress(duration, duration)
    yield Finished(transcript)
