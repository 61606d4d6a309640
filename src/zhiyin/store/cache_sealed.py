"""A cache whose values are encrypted when there is a key."""

from __future__ import annotations

from dataclasses import dataclass

from zhiyin.domain.errors import CannotDecrypt
from zhiyin.ports.cache import Cache
from zhiyin.ports.cipher import Cipher


@dataclass(frozen=True, slots=True)
class SealedCache:
    """Implements `ports.cache.Cache` before another one; what does not open counts as missing."""

    cache: Cache
    cipher: Cipher

    async def get(self, owner: str, key: str) -> bytes | None:
        """See `ports.cache`."""
        sealed = await self.cache.get(owner, key)
        try:
            return None if sealed is None else self.cipher.open(sealed, _identity(owner, key))
        except CannotDecrypt:
            return None

    async def put(self, owner: str, key: str, value: bytes) -> None:
        """See `ports.cache`."""
        await self.cache.put(owner, key, self.cipher.seal(value, _identity(owner, key)))

    async def drop(self, owner: str) -> int:
        """See `ports.cache`."""
        return await self.cache.drop(owner)

    async def close(self) -> None:
        """See `ports.cache`."""
        await self.cache.close()


def _identity(owner: str, key: str) -> str:
    return f"cache/{owner}/{key}"
