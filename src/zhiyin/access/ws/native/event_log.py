"""Event log of a session: its lasting events, numbered, the newest partial, and answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from zhiyin.access.json_types import Json
from zhiyin.domain.errors import InvalidRequest

_MAX_ANSWERS = 64


class EventLog:
    """Keeps the newest `most` lasting events, read or not, so that a client can come back.

    Partials give way to newer ones and to the final of their segment; nothing else does. Answers
    are for the connection that reads now. One reads at a time.
    """

    def __init__(self, most: int) -> None:
        self._kept: deque[Json] = deque(maxlen=most)
        self._answers: deque[Json] = deque()
        self._partial: Json | None = None
        self._shown = False
        self._changed = asyncio.Event()
        self._read = 0
        self._reader: object = None
        self._over = False
        self.last = 0

    @property
    def overtaken(self) -> bool:
        """Whether the reader is so slow that something it needs is gone."""
        return self._read < self._oldest or len(self._answers) > _MAX_ANSWERS

    def keep(self, body: Json) -> None:
        """A lasting event; it gets the next number."""
        self.last += 1
        self._kept.append(body | {"event": self.last})
        partial = self._partial
        if body["type"] == "final" and partial and partial["segment_id"] == body["segment_id"]:
            self._partial = None
        self._changed.set()

    def show(self, body: Json) -> None:
        """A partial."""
        self._partial, self._shown = body, False
        self._changed.set()

    def answer(self, body: Json) -> None:
        """What concerns this connection only."""
        self._answers.append(body)
        self._changed.set()

    def finish(self) -> None:
        """There will be no more."""
        self._over = True
        self._changed.set()

    def check(self, after: int) -> None:
        """Raise InvalidRequest unless everything after that number is still here."""
        if after > self.last:
            raise InvalidRequest(
                f"This session has told {self.last} events; there is no {after}.",
                code="invalid_value", param="last_event",
            )  # fmt: skip
        if after < self._oldest:
            raise InvalidRequest(
                f"The events after {after} are no longer kept.",
                code="events_lost", param="last_event",
            )  # fmt: skip

    def rewind(self, after: int, reader: object) -> None:
        """Another one reads from now on, after that number."""
        self._read, self._shown, self._reader = after, False, reader
        self._answers.clear()

    async def read(self, reader: object) -> AsyncIterator[Json]:
        """What comes, until everything was taken and the session is over, or another one reads."""
        while self._reader is reader:
            self._changed.clear()
            if self._answers:
                yield self._answers.popleft()
            elif self._read < self.last:
                event = self._kept[self._read - self.last]
                self._read += 1
                yield event
            elif self._partial is not None and not self._shown:
                self._shown = True
                yield self._partial
            elif self._over:
                return
            else:
                await self._changed.wait()

    @property
    def _oldest(self) -> int:
        """The number before the oldest event that is kept."""
        return self.last - len(self._kept)
