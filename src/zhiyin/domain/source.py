"""Where a recording's bytes come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class AudioSource:
    """A seekable binary stream, read by one thread at a time; the owner closes it.

    `size` is in bytes.
    """

    stream: BinaryIO
    size: int
