"""What waits to be passed on to other processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from zhiyin.domain.captions import Caption, CaptionMessage, Ended


class Outbox:
    """Posts in order; of captions that are not settled only the newest. At most `limit`."""

    def __init__(self, limit: int) -> None:
        self._posts: deque[CaptionMessage] = deque(maxlen=limit)

    def __bool__(self) -> bool:
        return bool(self._posts)

    def add(self, post: CaptionMessage) -> None:
        """One more."""
        if self._posts and _passes(self._posts[-1]):
            self._posts.pop()
        self._posts.append(post)

    def first(self) -> CaptionMessage:
        """The one that is next; it stays."""
        return self._posts[0]

    def done(self, post: CaptionMessage) -> None:
        """That one was passed on."""
        if self._posts and self._posts[0] is post:
            self._posts.popleft()

    def withdraw(self, owner: str) -> None:
        """Drop captions of the owner."""
        kept = [p for p in self._posts if p.owner != owner or not isinstance(p.told, Caption)]
        self._posts.clear()
        self._posts.extend(kept)

    def again(self, record: Iterable[CaptionMessage]) -> None:
        """Begin anew: the whole record, and of what waits all that lasts."""
        waiting = [p for p in self._posts if p.settled or isinstance(p.told, Ended)]
        known = set(waiting)
        self._posts.clear()
        self._posts.extend(post for post in record if post not in known)
        self._posts.extend(waiting)


def _passes(post: CaptionMessage) -> bool:
    return isinstance(post.told, Caption) and not post.told.final
