"""Cipher port: encryption at rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from zhiyin.domain.sealing import WrappedKey


class Cipher(Protocol):
    """Seals what is stored. Thread-safe and quick: about a second for 500 MB."""

    @property
    def key_id(self) -> str:
        """The key that seals from now on; empty when nothing is encrypted."""
        ...

    def seal(self, plaintext: bytes, identity: str) -> bytes:
        """The bytes to store for the record called `identity`, such as `history/ann/7/text`."""
        ...

    def open(self, sealed: bytes, identity: str) -> bytes:
        """What was sealed for that record.

        Raises CannotDecrypt when the key is lost or wrong, or the bytes are damaged, belong to
        another record, or were stored without encryption although there is a key now.
        """
        ...


class OwnerCipher(Cipher, Protocol):
    """Of one owner, with a key of its own."""

    def tokens(self, grams: Iterable[str]) -> list[list[int]]:
        """For each key that is still in use, the newest first, a 64-bit token for each gram.

        Equal grams of an owner have equal tokens under a key, and without the key no one can
        derive the gram.
        """
        ...


class KeyRing(Cipher, Protocol):
    """The operator's keys."""

    @property
    def names(self) -> Sequence[str]:
        """Their ids; the first one seals. Empty when nothing is encrypted."""
        ...

    def new_key(self, owner: str) -> WrappedKey | None:
        """A fresh data key for an owner; None when nothing is encrypted."""
        ...

    def of(self, owner: str, keys: Sequence[WrappedKey]) -> OwnerCipher:
        """An owner's cipher; the first of the keys seals, all open.

        Raises CannotDecrypt when the ring can't open them.
        """
        ...


class OwnerKeys(Protocol):
    """Where the owners' wrapped data keys are kept."""

    async def cipher(self, owner: str) -> OwnerCipher:
        """An owner's cipher, with a new key when there was none. Not to be kept: keys change.

        Raises Unavailable, CannotDecrypt.
        """
        ...
