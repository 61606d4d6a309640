"""Audio source: the stream of a recording's bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class AudioSource:
    """A seekable binary stream, read by one thread at a time; the owner closes it.

    `size` is in bytes; `digest` is their SHA-256, where it was computed on receipt.
    """

    stream: BinaryIO
    size: int
    digest: bytes | None = None
