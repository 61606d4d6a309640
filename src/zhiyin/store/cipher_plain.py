"""No encryption: the adapter for when no key is given."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from zhiyin.domain.errors import CannotDecrypt
from zhiyin.domain.sealing import PLAIN, WrappedKey, hashed


class PlainCipher:
    """Stores bytes as they are, behind a byte that distinguishes them from sealed ones."""

    key_id = ""

    def seal(self, plaintext: bytes, identity: str) -> bytes:
        """The bytes, marked."""
        return PLAIN + plaintext

    def open(self, sealed: bytes, identity: str) -> bytes:
        """The bytes. Raises CannotDecrypt for sealed ones: there is no key."""
        if sealed[:1] != PLAIN:
            raise CannotDecrypt(
                "This record is encrypted, but the server has no key: "
                "set ZHIYIN_ENCRYPTION__KEYS or encryption.keys_file."
            )
        return sealed[1:]


class PlainOwner(PlainCipher):
    """Of one owner. Tokens are plain hashes: they reveal no more than the text beside them."""

    def __init__(self, owner: str) -> None:
        self._salt = hashlib.blake2b(owner.encode(), digest_size=32).digest()

    def tokens(self, grams: Iterable[str]) -> list[list[int]]:
        """One list."""
        return [[hashed(gram, self._salt) for gram in grams]]


class PlainRing(PlainCipher):
    """A ring without keys."""

    names: Sequence[str] = ()

    def new_key(self, owner: str) -> WrappedKey | None:
        """None: nothing is encrypted."""
        return None

    def of(self, owner: str, keys: Sequence[WrappedKey]) -> PlainOwner:
        """The owner's cipher. Raises CannotDecrypt when the owner's data is encrypted.

        What was encrypted must not go on in the clear because a key got lost.
        """
        if keys:
            raise CannotDecrypt(
                f"The data is encrypted with the key '{keys[0].ring_key}', but the server has no "
                "key: set ZHIYIN_ENCRYPTION__KEYS or encryption.keys_file. To go on without "
                "encryption: zhiyin keys rotate --plain, with the key."
            )
        return PlainOwner(owner)
