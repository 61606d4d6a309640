"""Decodes a client's bytes and detects speech in them: whole frames with their probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.errors import TooLong
from zhiyin.domain.live import Received
from zhiyin.ports.sound import LiveSound
from zhiyin.ports.vad import FRAME, VadSession

Frames = tuple[Samples, NDArray[np.float32]]
"""`float32[k * FRAME]`, and k speech probabilities."""

_BLOCK = SAMPLE_RATE // FRAME * FRAME  # samples that the detector gets at once


class FrameDecoder:
    """One stream of at most `max_seconds`. `write`, `flush` and `pad` block: call them on a pool.

    Not thread-safe; `close` may be called during another call.
    """

    def __init__(self, sound: LiveSound, vad: VadSession, max_seconds: float) -> None:
        self._sound = sound
        self._vad = vad
        self._max_seconds = max_seconds
        self._rest: Samples = np.zeros(0, np.float32)
        self._samples = 0

    @property
    def incomplete_bytes(self) -> int:
        """Bytes of a sample whose other bytes have not come."""
        return self._sound.incomplete_bytes

    def write(self, data: bytes) -> list[Frames]:
        """The frames that these bytes complete. Raises UndecodableAudio, TooLong."""
        return self._counted(self._sound.push(data))

    def flush(self) -> list[Frames]:
        """What the decoder still holds, at the end. Raises UndecodableAudio, TooLong."""
        return self._counted(self._sound.finish())

    def pad(self) -> list[Frames]:
        """The last frame, filled up with silence."""
        return self._detect(np.zeros(-len(self._rest) % FRAME, np.float32))

    @property
    def pending(self) -> bool:
        """Whether `write(b"")` brings more frames of the bytes that were written."""
        return self._sound.pending

    @property
    def received(self) -> Received:
        """The bytes and seconds of whole samples."""
        return self._sound.received

    def settle(self) -> Received:
        """Drop the bytes of an incomplete sample; what was received without it."""
        return self._sound.settle()

    def drop_rest(self) -> None:
        """Drop the samples of the frame that is not complete."""
        self._rest = self._rest[:0]

    def close(self) -> None:
        """Free the decoder."""
        self._sound.close()

    def _counted(self, samples: Samples) -> list[Frames]:
        total = self._samples + len(samples)
        if total > self._max_seconds * SAMPLE_RATE:
            raise TooLong(f"A session may last {self._max_seconds:g} s of audio. Open another one.")
        self._samples = total
        return self._detect(samples)

    def _detect(self, samples: Samples) -> list[Frames]:
        held = np.concatenate([self._rest, samples])
        whole = len(held) // FRAME * FRAME
        self._rest = held[whole:]
        blocks = [held[at : min(at + _BLOCK, whole)] for at in range(0, whole, _BLOCK)]
        return [(block, self._vad.probabilities(block)) for block in blocks]
