"""Decoder of recordings in the formats of `formats`: mono 16 kHz float32, block by block.

Uses PyAV (https://pyav.org); nothing is read ahead of the consumer, so limits bite at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer

from zhiyin.audio.formats import AV_ERRORS, open_container, select
from zhiyin.audio.frames import Frames
from zhiyin.audio.mono import Mono
from zhiyin.audio.survey import Survey, survey, too_long
from zhiyin.audio.timeline import Timeline, has_clock, longest_gap, silence
from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits, Notice, Samples
from zhiyin.domain.errors import EmptyAudio, UndecodableAudio
from zhiyin.domain.source import AudioSource
from zhiyin.ports.decoder import StopSignal

_BLOCK = SAMPLE_RATE
_UNREADABLE = "The file could not be read as audio or video. It may be damaged or of another kind."


class AvDecoder:
    """Opens recordings with the FFmpeg that PyAV brings."""

    def open(
        self,
        source: AudioSource,
        limits: AudioLimits,
        track: int | None = None,
        stop: StopSignal | None = None,
    ) -> AvDecodedAudio:
        """See `ports.decoder`; `stop` is for the consumer to see between blocks."""
        if source.size == 0:
            raise EmptyAudio("The file is empty: it has no bytes.", param="file")
        container = _open_container(source)
        try:
            found = survey(container, source, limits, track)
            if found.used_up:
                container.close()
                container = _open_container(source)
            return AvDecodedAudio(container, limits, found)
        except BaseException:
            container.close()
            raise


def _open_container(source: AudioSource) -> InputContainer:
    source.stream.seek(0)
    try:
        return open_container(source.stream)
    except AV_ERRORS as error:
        raise UndecodableAudio(_UNREADABLE, param="file") from error


class AvDecodedAudio:
    """One recording being decoded; see `ports.decoder.DecodedAudio`."""

    def __init__(self, container: InputContainer, limits: AudioLimits, found: Survey) -> None:
        self._container = container
        self._limits = limits
        self._track = container.streams.audio[found.track]
        self._declared = found.declared_by_track
        self._seconds = 0.0
        self.notices: list[Notice] = []
        self.duration = found.duration
        select(container, [self._track])
        self._frames = Frames(container, [self._track])
        self._timeline = Timeline(_start(container), longest_gap(container))

    def close(self) -> None:
        """Release the file; idempotent."""
        self._container.close()

    def blocks(self) -> Iterator[Samples]:
        """Blocks of about a second; see the port for what is raised."""
        held: list[Samples] = []
        count = 0
        for samples in self._resampled():
            held.append(samples)
            count += len(samples)
            if count >= _BLOCK:
                yield np.concatenate(held)
                held, count = [], 0
        if count:
            yield np.concatenate(held)
        self._finish()

    def _resampled(self) -> Iterator[Samples]:
        mono = Mono("file")
        clocked = has_clock(self._container)
        for frame, after in self._with_next():
            # Before resampling, which may make a thousand samples of one.
            seconds = mono.seconds(frame)
            gap = self._timeline.gap(frame, seconds, after) if clocked else 0.0
            self._count(seconds + gap)
            if gap:
                yield from mono.flush()
                yield from silence(gap)
            try:
                yield from mono.convert(frame)
            except AV_ERRORS as error:
                raise UndecodableAudio(
                    "The sound has a sample rate or channel layout that can't be converted.",
                    param="file",
                ) from error
        yield from mono.finish()

    def _with_next(self) -> Iterator[tuple[AudioFrame, AudioFrame | None]]:
        held: AudioFrame | None = None
        for _, frame in self._frames:
            if held is not None:
                yield held, frame
            held = frame
        if held is not None:
            yield held, None

    def _count(self, seconds: float) -> None:
        self._seconds += seconds
        if self._seconds > self._limits.max_seconds:
            raise too_long(self._limits)

    def _finish(self) -> None:
        damaged = self._frames.damaged
        if self._seconds == 0:
            if damaged:
                raise UndecodableAudio(_UNREADABLE, param="file")
            raise EmptyAudio("The file holds no sound.", param="file")
        if damaged:
            self._notice("damaged_audio", "Parts of the file were damaged and were skipped.")
        expected = None if self._timeline.jumped else self._declared
        if expected is not None and self._seconds < 0.98 * expected - 0.5:
            self._notice(
                "truncated_audio",
                f"The file ends after {self._seconds:.1f} s although it declares "
                f"{expected:.1f} s; the text covers what could be read.",
            )

    def _notice(self, code: str, message: str) -> None:
        self.notices.append(Notice(code, message))


def _start(container: InputContainer) -> float | None:
    return None if container.start_time is None else container.start_time / 1_000_000
