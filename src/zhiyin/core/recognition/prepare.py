"""Preparation of a recording: decode, detect speech, cut into pieces; pulled by the consumer.

All recordings share the threads of one pool and take turns there, in steps of some seconds.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from zhiyin.core.offload import offload
from zhiyin.core.segmentation.cutting import CutPolicy, Cutter
from zhiyin.core.segmentation.music import MusicCutter
from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits, Notice, Piece
from zhiyin.domain.source import AudioSource
from zhiyin.ports.decoder import DecodedAudio, Decoder, StopSignal
from zhiyin.ports.vad import FRAME, Vad

_BLOCK = 1 << 20  # bytes
_STEP_S = 16  # of sound
_NOT_YET = object()
_MUSIC = Notice(
    "music", "There is music in the recording; what is sung may be misheard or missing."
)


class Preparation:
    """One recording on its way to the engine. Pieces come on demand; `close` when done."""

    def __init__(
        self,
        decoded: DecodedAudio,
        vad: Vad,
        policy: CutPolicy,
        pool: ThreadPoolExecutor,
        stop: StopSignal,
    ) -> None:
        self._decoded = decoded
        self._stop = stop
        self._cutter = MusicCutter(policy) if policy.gated else Cutter(policy)
        self._vad = vad.session()
        self._gated = policy.gated
        self._pool = pool
        self._lock = threading.Lock()
        self._samples = 0
        self._pieces = self._run()

    @property
    def declared(self) -> float | None:
        """Seconds the container declares; None when it declares nothing."""
        return self._decoded.duration

    @property
    def read(self) -> float:
        """Seconds of audio decoded so far; the true duration once the pieces are exhausted."""
        return self._samples / SAMPLE_RATE

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What to know about the recording; complete once the pieces are exhausted."""
        music = isinstance(self._cutter, MusicCutter) and self._cutter.found
        return (*self._decoded.notices, *((_MUSIC,) if music else ()))

    async def next(self) -> Piece | None:
        """The next piece, or None at the end; decoding happens on a worker thread.

        In a long silence no piece comes for hours: other recordings get the thread in between.
        """
        while True:
            piece = await offload(self._pool, self._step, self._stop.set)
            if piece is None or isinstance(piece, Piece):
                return piece

    async def close(self) -> None:
        """Stop a decode that may still run, and release the file."""
        self._stop.set()
        await offload(self._pool, self._close)

    def _step(self) -> Piece | object | None:
        with self._lock:
            return None if self._stop.is_set else next(self._pieces, None)

    def _close(self) -> None:
        with self._lock:
            self._decoded.close()

    def _run(self) -> Iterator[Piece | object]:
        """Pieces, and `_NOT_YET` where a step ends without one."""
        held, step_end = np.zeros(0, np.float32), float(_STEP_S)
        for block in self._decoded.blocks():
            if self._stop.is_set:
                return
            if not len(block):
                yield _NOT_YET
            self._samples += len(block)
            held = np.concatenate([held, block])
            whole = len(held) // FRAME * FRAME
            yield from self._push(held[:whole])
            held = held[whole:]
            if self.read >= step_end:
                step_end = self.read + _STEP_S
                yield _NOT_YET
        yield from self._push(np.pad(held, (0, -len(held) % FRAME)))
        yield from self._cutter.finish()

    def _push(self, samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Iterator[Piece]:
        if self._gated:
            probs = self._vad.probabilities(samples)
        else:
            probs = np.ones(len(samples) // FRAME, np.float32)
        yield from self._cutter.push(samples, probs)


@dataclass(frozen=True, slots=True)
class Preparer:
    """Opens recordings; one for the whole service.

    `pool` bounds the decoding threads, `opening` those that look at what a recording is: where
    that hangs, the recordings that are open go on. The same threads where it is None.
    """

    decoder: Decoder
    vad: Vad
    limits: AudioLimits
    policy: CutPolicy
    pool: ThreadPoolExecutor
    opening: ThreadPoolExecutor | None = None

    @property
    def edition(self) -> str:
        """Names the settings that change the text."""
        return f"{self.limits} {self.policy}"

    async def digest(self, source: AudioSource) -> bytes:
        """The SHA-256 of a recording whose receiver has not counted it."""
        return await offload(self.pool, lambda: _digest(source.stream))

    async def open(
        self, source: AudioSource, *, gated: bool, max_piece: float, track: int | None = None
    ) -> Preparation:
        """Start on a recording. Raises what `Decoder.open` raises."""
        policy = replace(
            self.policy,
            gated=gated,
            max_piece_s=min(max_piece, self.policy.max_piece_s),
            max_music_s=min(max_piece, self.policy.max_music_s),
        )
        stop = StopSignal()
        decoded = await offload(
            self.opening or self.pool,
            lambda: self.decoder.open(source, self.limits, track, stop),
            stop.set,
        )
        return Preparation(decoded, self.vad, policy, self.pool, stop)

    async def probe(self, source: AudioSource, track: int | None = None) -> float | None:
        """The seconds that a recording declares. Raises what `Decoder.open` raises."""
        stop = StopSignal()

        def look() -> float | None:
            decoded = self.decoder.open(source, self.limits, track, stop)
            try:
                return decoded.duration
            finally:
                decoded.close()

        return await offload(self.opening or self.pool, look, stop.set)


def _digest(stream: BinaryIO) -> bytes:
    stream.seek(0)
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    stream.seek(0)
    return digest.digest()
