"""Blob store port: recordings and transcripts of jobs."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class Written:
    """A blob that is complete; `digest` is the SHA-256 of its bytes in hexadecimal."""

    size_bytes: int
    digest: str


class BlobStore(Protocol):
    """Values by name. Names are made from ids: letters, digits, `_`, `-` and single dots.

    All verbs raise Unavailable when the store can't be reached or is full.
    """

    async def write(self, name: str, chunks: AsyncIterable[bytes], max_bytes: int) -> Written:
        """Store all chunks under the name, or nothing. Raises TooLarge over `max_bytes`."""
        ...

    async def open(self, name: str) -> BinaryIO:
        """A seekable stream of the whole value; the caller closes it. Raises MissingBlob.

        Raises CannotDecrypt, when it is read too.
        """
        ...

    async def delete(self, name: str) -> bool:
        """Delete the value; False when there was none."""
        ...

    async def free_bytes(self) -> int | None:
        """How much fits in still; None when that is unknown or has no end."""
        ...

    async def names(self, after: float, before: float) -> Sequence[str]:
        """Names of the values written between those times (unix seconds)."""
        ...
