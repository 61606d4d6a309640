"""Outbox: messages of this process that the shared store has not acknowledged yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from zhiyin.domain.captions import Caption, CaptionMessage, Ended


class Outbox:
    """Messages in order; of partial captions only the newest. At most `limit`."""

    def __init__(self, limit: int) -> None:
        self._messages: deque[CaptionMessage] = deque(maxlen=limit)

    def __bool__(self) -> bool:
        return bool(self._messages)

    def add(self, message: CaptionMessage) -> None:
        """Append; replaces a partial caption at the end."""
        if self._messages and _is_partial(self._messages[-1]):
            self._messages.pop()
        self._messages.append(message)

    def first(self) -> CaptionMessage:
        """The next one to publish; it stays."""
        return self._messages[0]

    def done(self, message: CaptionMessage) -> None:
        """Remove the first message: it was published."""
        if self._messages and self._messages[0] is message:
            self._messages.popleft()

    def erase(self, owner: str) -> None:
        """Drop captions of the owner."""
        kept = [m for m in self._messages if m.owner != owner or not isinstance(m.event, Caption)]
        self._messages.clear()
        self._messages.extend(kept)

    def restart(self, log: Iterable[CaptionMessage]) -> None:
        """Queue the whole log again, then pending final captions and ends of turns."""
        pending = [m for m in self._messages if m.settled or isinstance(m.event, Ended)]
        known = set(pending)
        self._messages.clear()
        self._messages.extend(message for message in log if message not in known)
        self._messages.extend(pending)


def _is_partial(message: CaptionMessage) -> bool:
    return isinstance(message.event, Caption) and not message.event.final
