"""What zhiyin asks of a decoder of sound that arrives piece by piece."""

from __future__ import annotations

from typing import Protocol

from zhiyin.domain.audio import Samples
from zhiyin.domain.live import Encoding, Received


class LiveSound(Protocol):
    """One stream. Calls may block, `close` excepted; not thread-safe."""

    def push(self, data: bytes) -> Samples:
        """Take any number of bytes, continuing the last; the samples that are ready.

        Raises UndecodableAudio.
        """
        ...

    def finish(self) -> Samples:
        """The rest, once nothing more comes. Raises UndecodableAudio."""
        ...

    def settle(self) -> Received:
        """What was taken until here; the first bytes of an incomplete sample are forgotten."""
        ...

    def close(self) -> None:
        """Free what is held; `finish` need not have been called."""
        ...


class LiveDecoder(Protocol):
    """Opens streams."""

    def open(self, encoding: Encoding, sample_rate: int) -> LiveSound:
        """A stream of that encoding; `sample_rate` is in hertz, and of no account to containers.

        Raises InvalidRequest.
        """
        ...
