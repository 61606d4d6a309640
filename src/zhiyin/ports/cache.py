"""Result cache port.

Values are bytes that mean nothing to the cache; `store.cache_sealed` seals them before another one.
"""

from __future__ import annotations

from typing import Protocol


class Cache(Protocol):
    """Keeps values for a while, each for its owner. Used from the event loop.

    A cache that can't be reached raises Unavailable, at once while it is known to be away.
    """

    async def get(self, owner: str, key: str) -> bytes | None:
        """The value, or None when there is none any more."""
        ...

    async def put(self, owner: str, key: str, value: bytes) -> None:
        """Keep a value for the cache's time, in place of an older one; too large a one is not kept.

        Whatever else has to go for it, goes.
        """
        ...

    async def drop(self, owner: str) -> int:
        """Delete everything of an owner; how many values that were."""
        ...

    async def close(self) -> None:
        """Let go of connections; what is shared with others stays."""
        ...
