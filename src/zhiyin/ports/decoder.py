"""Decoder port: audio files to samples."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from zhiyin.domain.audio import AudioLimits, Notice, Samples
from zhiyin.domain.source import AudioSource


class StopSignal:
    """Ends a decode that another thread waits for. Thread-safe; set once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._set = False

    @property
    def is_set(self) -> bool:
        """Whether the decode is to end."""
        return self._set

    def call(self, callback: Callable[[], None]) -> None:
        """Have this called when the signal is set: now, if it is."""
        with self._lock:
            if not self._set:
                self._callbacks.append(callback)
                return
        callback()

    def set(self) -> None:
        """Set the signal. Idempotent."""
        with self._lock:
            self._set = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


class DecodedAudio(Protocol):
    """A recording being decoded. Used by one thread at a time; `close` after use."""

    @property
    def duration(self) -> float | None:
        """Seconds of sound that the file holds, as far as it says so; None when it doesn't.

        Long ones were compared with where its sound ends; still not to be trusted.
        """
        ...

    @property
    def notices(self) -> list[Notice]:
        """What was wrong with the file; complete once the blocks are exhausted."""
        ...

    def blocks(self) -> Iterator[Samples]:
        """Blocks of about a second, mono, 16 kHz; an empty one where none comes for a while.

        Raises TooLong as soon as the limit is passed, UndecodableAudio or EmptyAudio when there
        is nothing to read.
        """
        ...

    def close(self) -> None:
        """Release the file; idempotent."""
        ...


class Decoder(Protocol):
    """Opens recordings."""

    def open(
        self,
        source: AudioSource,
        limits: AudioLimits,
        track: int | None = None,
        stop: StopSignal | None = None,
    ) -> DecodedAudio:
        """Start decoding sound track `track`, counted from 1; None: the one that fits best.

        Raises UndecodableAudio, EmptyAudio, TooLong, or InvalidRequest without such a track. After
        `stop` every call ends soon, with any result or error.
        """
        ...
