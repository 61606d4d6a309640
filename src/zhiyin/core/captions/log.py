"""What was said in a room, as far as this process knows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from zhiyin.domain.captions import Caption, CaptionMessage
from zhiyin.domain.transcript import Segment


class CaptionLog:
    """Settled captions, the last `limit`, each once, in the order they came."""

    def __init__(self, limit: int) -> None:
        self._posts: deque[CaptionMessage] = deque(maxlen=limit)
        self._last: dict[tuple[str, int], int] = {}
        self._limit = limit
        self.next_id = 0

    def __len__(self) -> int:
        return len(self._posts)

    def __iter__(self) -> Iterator[CaptionMessage]:
        return iter(self._posts)

    def knows(self, post: CaptionMessage) -> bool:
        """Whether this or a later caption of the same talk has come."""
        return _id(post) <= self._last.get((post.replica, post.talk), -1)

    def add(self, post: CaptionMessage) -> bool:
        """Take a settled caption; False when it is known."""
        if self.knows(post):
            return False
        talk = (post.replica, post.talk)
        self._last[talk] = _id(post)
        if len(self._last) > self._limit:  # the oldest talk left the record long ago
            del self._last[next(iter(self._last))]
        self.next_id = max(self.next_id, _id(post) + 1)
        self._posts.append(post)
        return True

    def put_before(self, posts: Iterable[CaptionMessage]) -> None:
        """Captions older than all that is here."""
        newer = list(self._posts)
        older = [post for post in posts if not self.knows(post)]
        self.clear()
        for post in (*older, *newer):
            self.add(post)

    def withdraw(self, owner: str) -> None:
        """Forget what was said on behalf of the owner; it stays known, so it does not come back."""
        kept = [post for post in self._posts if post.owner != owner]
        self._posts.clear()
        self._posts.extend(kept)

    def clear(self) -> None:
        """Forget everything but how far the ids have come."""
        self._posts.clear()
        self._last.clear()


def captions(posts: Iterable[CaptionMessage]) -> tuple[Caption, ...]:
    """What was said."""
    return tuple(post.told for post in posts if isinstance(post.told, Caption))


def segments(posts: Iterable[CaptionMessage]) -> tuple[Segment, ...]:
    """The record as one recording: each speaker's time goes on where the one before ended."""
    found: list[Segment] = []
    offset, talk = 0.0, None
    for post in posts:
        if not isinstance(post.told, Caption):
            continue
        if talk is not None and talk != (post.replica, post.talk):
            offset = found[-1].end
        talk = (post.replica, post.talk)
        segment = Segment(post.told.text.strip(), post.told.start, post.told.end, 0.0)
        found.append(segment.shifted(offset))
    return tuple(found)


def _id(post: CaptionMessage) -> int:
    return post.told.id if isinstance(post.told, Caption) else -1
