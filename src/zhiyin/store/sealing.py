"""Where encryption at rest comes in: what private columns and blobs pass through."""

from __future__ import annotations

from typing import Protocol


class Sealing(Protocol):
    """Makes bytes unreadable to others; `identity` names the record that they belong to."""

    def seal(self, plaintext: bytes, identity: str) -> bytes:
        """The bytes to store."""
        ...

    def open(self, sealed: bytes, identity: str) -> bytes:
        """What was sealed under that identity."""
        ...


class Plain:
    """No encryption: a `Sealing` that stores what it is given."""

    def seal(self, plaintext: bytes, identity: str) -> bytes:
        """The same bytes."""
        return plaintext

    def open(self, sealed: bytes, identity: str) -> bytes:
        """The same bytes."""
        return sealed
