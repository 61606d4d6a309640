"""A cache whose values nobody else can read."""

from __future__ import annotations

import logging

from zhiyin.domain.errors import CannotDecrypt
from zhiyin.ports.cache import Cache
from zhiyin.ports.cipher import Cipher

log = logging.getLogger(__name__)


class SealedCache:
    """Implements `ports.cache.Cache` before another one. What does not open is not there."""

    def __init__(self, inner: Cache, cipher: Cipher) -> None:
        self._inner = inner
        self._cipher = cipher
        self._told = False

    async def get(self, owner: str, key: str) -> bytes | None:
        """See `ports.cache`."""
        value = await self._inner.get(owner, key)
        if value is None:
            return None
        try:
            return self._cipher.open(value, _identity(owner, key))
        except CannotDecrypt as error:
            if not self._told:
                self._told = True
                log.warning("cached results are made anew: %s", error.message)
            return None

    async def put(self, owner: str, key: str, value: bytes) -> None:
        """See `ports.cache`."""
        await self._inner.put(owner, key, self._cipher.seal(value, _identity(owner, key)))

    async def drop(self, owner: str) -> int:
        """See `ports.cache`."""
        return await self._inner.drop(owner)

    async def close(self) -> None:
        """See `ports.cache`."""
        await self._inner.close()


def _identity(owner: str, key: str) -> str:
    return f"cache/{owner}/{key}"
