"""A cache in this process: bounded bytes, bounded time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from cachetools import TTLCache

_OVERHEAD = 400  # bytes of keys, links and headers that an entry takes besides its value


class MemoryCache:
    """Implements `ports.cache.Cache`.

    Values older than `ttl_s` seconds are deleted on access, and by a timer. `clock` is in seconds.
    """

    def __init__(
        self,
        max_bytes: int,
        ttl_s: float,
        max_value_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kept: TTLCache[tuple[str, str], bytes] = TTLCache(
            max_bytes, ttl_s, clock, lambda value: len(value) + _OVERHEAD
        )
        self._ttl_s = ttl_s
        self._largest = min(max_value_bytes, max_bytes - _OVERHEAD)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def held_bytes(self) -> int:
        """Memory taken, about."""
        return int(self._kept.currsize)

    async def get(self, owner: str, key: str) -> bytes | None:
        """See `ports.cache`."""
        return self._kept.get((owner, key))

    async def put(self, owner: str, key: str, value: bytes) -> None:
        """See `ports.cache`; what was not asked for the longest goes first."""
        self._kept.pop((owner, key), None)
        if len(value) > self._largest:
            return
        self._kept[owner, key] = value
        if self._timer is None:
            self._schedule_sweep()

    async def drop(self, owner: str) -> int:
        """See `ports.cache`."""
        self._kept.expire()
        of_owner = [place for place in self._kept if place[0] == owner]
        for place in of_owner:
            self._kept.pop(place, None)
        return len(of_owner)

    async def close(self) -> None:
        """Delete everything."""
        if self._timer is not None:
            self._timer.cancel()
        self._kept.clear()

    def _schedule_sweep(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._ttl_s, self._sweep)

    def _sweep(self) -> None:
        self._kept.expire()
        self._timer = None
        if len(self._kept):
            self._schedule_sweep()
