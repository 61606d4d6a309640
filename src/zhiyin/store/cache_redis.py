"""A cache in Redis or what speaks its protocol, shared by several servers."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from zhiyin.domain.errors import ConfigError, Unavailable
from zhiyin.store.breaker import Breaker

T = TypeVar("T")

_PREFIX = "zhiyin:cache"
_CONNECTIONS = 32
_ERASE_TIMEOUT_S = 10.0  # for each step of an erasure: it must succeed, and no request waits for it
_SCAN_COUNT = 1000  # keys per SCAN
_FAILURES = (RedisError, OSError, TimeoutError)


class RedisCache:
    """Implements `ports.cache.Cache`. A server that does not answer in `timeout_s` counts as away.

    An owner stands in the keys as a digest.
    """

    def __init__(self, url: str, ttl_s: float, max_value_bytes: int, timeout_s: float) -> None:
        try:
            pool = BlockingConnectionPool.from_url(
                url, max_connections=_CONNECTIONS, timeout=timeout_s,
                socket_timeout=_ERASE_TIMEOUT_S, socket_connect_timeout=timeout_s,
                retry=Retry(NoBackoff(), 0),
            )  # fmt: skip
            pool.connection_class(**pool.connection_kwargs)  # says now what the address got wrong
        except (TypeError, ValueError) as error:
            raise ConfigError("cache.url is not an address of a Redis server.") from error
        self._redis = Redis(connection_pool=pool)
        self._ttl_ms = math.ceil(ttl_s * 1000)
        self._largest = max_value_bytes
        self._timeout_s = timeout_s
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._breaker = Breaker("the cache", self._probe, _FAILURES)

    async def get(self, owner: str, key: str) -> bytes | None:
        """See `ports.cache`."""
        value = await self._call(lambda: self._redis.get(_redis_key(owner, key)))
        return value if isinstance(value, bytes) else None

    async def put(self, owner: str, key: str, value: bytes) -> None:
        """See `ports.cache`; what goes for it is left to the server's `maxmemory-policy`."""
        redis_key = _redis_key(owner, key)
        if len(value) > self._largest:
            await self._call(lambda: self._redis.unlink(redis_key))
        else:
            await self._call(lambda: self._redis.set(redis_key, value, px=self._ttl_ms))

    async def drop(self, owner: str) -> int:
        """See `ports.cache`; goes through all keys of the database. Tried even while it is away."""
        cursor, dropped = 0, 0
        try:
            while True:
                async with asyncio.timeout(_ERASE_TIMEOUT_S):
                    cursor, found = await self._redis.scan(
                        cursor, _redis_key(owner, "*"), _SCAN_COUNT
                    )
                    dropped += await self._redis.unlink(*found) if found else 0
                if cursor == 0:
                    return dropped
        except _FAILURES as error:
            raise Unavailable("The cache can't be reached; nothing is sure to be gone.") from error

    async def close(self) -> None:
        """See `ports.cache`."""
        await self._breaker.close()
        await self._redis.aclose()

    async def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(self._timeout_s):
                return await work()

        # Waiting for a connection says nothing about the server, so the time is not counted.
        async with self._places:
            return await self._breaker.call(bounded)

    async def _probe(self) -> None:
        """Write: a server that is full or a replica answers to less."""
        async with asyncio.timeout(self._timeout_s):
            await self._redis.set(f"{_PREFIX}:probe", b"", px=1000)


def _redis_key(owner: str, key: str) -> str:
    return f"{_PREFIX}:{hashlib.sha256(owner.encode()).hexdigest()[:32]}:{key}"
