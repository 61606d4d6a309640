"""Encryption at rest: wrapped data keys, key use, keyed hashes for search."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

PLAIN = b"\x00"
"""First byte of plain data; sealed data begins with another."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """An owner's data key, sealed by the key `ring_key` of the operator's ring.

    Deleting it makes all that it sealed unreadable for good.
    """

    id: str
    owner: str
    ring_key: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class KeyUse:
    """How many owners' data keys a key of the ring seals; "" counts entries without encryption."""

    ring_key: str
    count: int


def hashed(gram: str, key: bytes) -> int:
    """A signed 64-bit integer; BLAKE2b with a key is a MAC (RFC 7693)."""
    digest = hashlib.blake2b(gram.encode(), digest_size=8, key=key).digest()
    return int.from_bytes(digest, "big", signed=True)
