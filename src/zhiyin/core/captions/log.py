"""Caption log: the final captions of a room, deduplicated and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from zhiyin.domain.captions import Caption, CaptionMessage
from zhiyin.domain.transcript import Segment


class CaptionLog:
    """Final captions, the last `limit`, each once, in order of arrival."""

    def __init__(self, limit: int) -> None:
        self._messages: deque[CaptionMessage] = deque(maxlen=limit)
        self._last: dict[tuple[str, int], int] = {}
        self._limit = limit
        self.next_id = 0

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[CaptionMessage]:
        return iter(self._messages)

    def knows(self, message: CaptionMessage) -> bool:
        """Whether this or a later caption of the same turn was added."""
        return _id(message) <= self._last.get((message.replica, message.turn), -1)

    def add(self, message: CaptionMessage) -> bool:
        """Append a final caption; False for a duplicate."""
        if self.knows(message):
            return False
        turn = (message.replica, message.turn)
        self._last[turn] = _id(message)
        if len(self._last) > self._limit:  # the oldest turn has no caption in the log any more
            del self._last[next(iter(self._last))]
        self.next_id = max(self.next_id, _id(message) + 1)
        self._messages.append(message)
        return True

    def put_before(self, messages: Iterable[CaptionMessage]) -> None:
        """Insert captions that are older than all in the log."""
        newer = list(self._messages)
        older = [message for message in messages if not self.knows(message)]
        self.clear()
        for message in (*older, *newer):
            self.add(message)

    def erase(self, owner: str) -> None:
        """Delete the owner's captions; their ids stay known, so that they don't come back."""
        kept = [message for message in self._messages if message.owner != owner]
        self._messages.clear()
        self._messages.extend(kept)

    def clear(self) -> None:
        """Delete everything but `next_id`."""
        self._messages.clear()
        self._last.clear()


def captions(messages: Iterable[CaptionMessage]) -> tuple[Caption, ...]:
    """The captions among the messages."""
    return tuple(m.event for m in messages if isinstance(m.event, Caption))


def segments(messages: Iterable[CaptionMessage]) -> tuple[Segment, ...]:
    """Captions as segments of one recording: each turn starts where the one before ended."""
    found: list[Segment] = []
    offset, turn = 0.0, None
    for message in messages:
        caption = message.event
        if not isinstance(caption, Caption):
            continue
        if turn is not None and turn != (message.replica, message.turn):
            offset = found[-1].end
        turn = (message.replica, message.turn)
        segment = Segment(caption.text.strip(), caption.start, caption.end, 0.0)
        found.append(segment.shifted(offset))
    return tuple(found)


def _id(message: CaptionMessage) -> int:
    return message.event.id if isinstance(message.event, Caption) else -1
