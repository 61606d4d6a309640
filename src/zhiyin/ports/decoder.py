"""Decoder port: audio files to samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from zhiyin.domain.audio import AudioLimits, Notice, Samples
from zhiyin.domain.source import AudioSource


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
        """Blocks of about a second, mono, 16 kHz.

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
        self, source: AudioSource, limits: AudioLimits, track: int | None = None
    ) -> DecodedAudio:
        """Start decoding sound track `track`, counted from 1; None: the one that fits best.

        Raises UndecodableAudio, EmptyAudio, TooLong, or InvalidRequest without such a track.
        """
        ...
