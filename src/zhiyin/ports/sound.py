"""Streaming audio decoder: bytes in any chunks to samples."""

from __future__ import annotations

from typing import Protocol

from zhiyin.domain.audio import Samples
from zhiyin.domain.live import AudioFormat, Received


class LiveSound(Protocol):
    """The decoder of one stream. `push` and `finish` may block; not thread-safe but for `close`."""

    def push(self, data: bytes) -> Samples:
        """Decode any number of bytes, continuing the last; the samples that are ready.

        A few bytes may hold hours: while `pending`, `push(b"")` brings more. Raises
        UndecodableAudio.
        """
        ...

    def finish(self) -> Samples:
        """The rest, at the end of the stream; see `push`. Raises UndecodableAudio."""
        ...

    @property
    def pending(self) -> bool:
        """Whether samples of bytes that were pushed are still to come, after `finish` as well."""
        ...

    @property
    def incomplete_bytes(self) -> int:
        """Bytes of a sample whose other bytes have not come."""
        ...

    @property
    def received(self) -> Received:
        """The whole samples that were pushed."""
        ...

    def settle(self) -> Received:
        """Drop the bytes of an incomplete sample; what was received without it."""
        ...

    def close(self) -> None:
        """Free the decoder, whether `finish` was called or not."""
        ...


class LiveDecoder(Protocol):
    """Makes decoders."""

    def open(self, audio_format: AudioFormat) -> LiveSound:
        """A decoder for one stream."""
        ...
