"""Decoder of recordings in the formats of `formats`: mono 16 kHz float32, block by block.

Uses PyAV (https://pyav.org); nothing is read ahead of the consumer, so limits bite at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer

from zhiyin.audio.formats import AV_ERRORS, open_container, select, sound_tracks
from zhiyin.audio.mono import Mono
from zhiyin.audio.packets import acceptable
from zhiyin.audio.riff import declared_seconds
from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits, Notice, Samples
from zhiyin.domain.errors import EmptyAudio, TooLong, UndecodableAudio
from zhiyin.domain.source import AudioSource
from zhiyin.ports.decoder import StopSignal

_BLOCK = SAMPLE_RATE
_MAX_DAMAGED_PACKETS = 1000
_UNREADABLE = "The file could not be read as audio or video. It may be damaged or of another kind."


class AvDecoder:
    """Opens recordings with the FFmpeg that PyAV brings."""

    def open(
        self, source: AudioSource, limits: AudioLimits, stop: StopSignal | None = None
    ) -> AvDecodedAudio:
        """Start decoding. Raises UndecodableAudio, EmptyAudio or TooLong.

        A call of FFmpeg can't be stopped; `stop` is for the consumer to see between blocks.
        """
        if source.size == 0:
            raise EmptyAudio("The file is empty: it has no bytes.", param="file")
        riff_seconds = declared_seconds(source.stream, source.size)
        source.stream.seek(0)
        container = _open_container(source)
        try:
            return AvDecodedAudio(container, limits, riff_seconds)
        except BaseException:
            container.close()
            raise


def _open_container(source: AudioSource) -> InputContainer:
    try:
        return open_container(source.stream)
    except AV_ERRORS as error:
        raise UndecodableAudio(_UNREADABLE, param="file") from error


class AvDecodedAudio:
    """One recording being decoded; see `ports.decoder.DecodedAudio`."""

    def __init__(
        self, container: InputContainer, limits: AudioLimits, riff_seconds: float | None
    ) -> None:
        if not container.streams.audio:
            raise UndecodableAudio("The file has no sound track.", param="file")
        tracks = sound_tracks(container)
        if not tracks:
            raise UndecodableAudio("The codec of the file's sound is not read.", param="file")
        self._container = container
        self._stream = tracks[0]
        select(container, self._stream)
        self._limits = limits
        self._decoded = 0.0
        self._produced = 0
        self._damaged = 0
        self.notices: list[Notice] = []
        self.duration = riff_seconds or _declared(container)
        if self.duration is not None:
            self._check_length(self.duration)

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
                yield self._emit(held)
                held, count = [], 0
        if count:
            yield self._emit(held)
        self._finish()

    def _emit(self, parts: list[Samples]) -> Samples:
        block = np.concatenate(parts)
        self._produced += len(block)
        return block

    def _check_length(self, seconds: float) -> None:
        if seconds > self._limits.max_seconds:
            raise TooLong(
                f"The recording is longer than the {self._limits.max_seconds:g} s that this "
                "server accepts. Send it in parts.",
                param="file",
            )

    def _finish(self) -> None:
        if self._produced == 0:
            if self._damaged:
                raise UndecodableAudio(_UNREADABLE, param="file")
            raise EmptyAudio("The file holds no sound.", param="file")
        seconds = self._produced / SAMPLE_RATE
        if self._damaged:
            self._notice("damaged_audio", "Parts of the file were damaged and were skipped.")
        if self.duration is not None and seconds < 0.98 * self.duration - 0.5:
            self._notice(
                "truncated_audio",
                f"The file ends after {seconds:.1f} s although it declares "
                f"{self.duration:.1f} s; the text covers what could be read.",
            )

    def _notice(self, code: str, message: str) -> None:
        self.notices.append(Notice(code, message))

    def _resampled(self) -> Iterator[Samples]:
        mono = Mono("file")
        begun = False
        for frame in self._frames():
            # Before resampling, which may make a thousand samples of one.
            self._decoded += mono.seconds(frame)
            self._check_length(self._decoded)
            if not begun:
                begun = True
                yield from self._lead_in(frame)
            try:
                yield from mono.convert(frame)
            except AV_ERRORS as error:
                raise UndecodableAudio(
                    "The sound has a sample rate or channel layout that can't be converted.",
                    param="file",
                ) from error
        yield from mono.finish()

    def _lead_in(self, first: AudioFrame) -> Iterator[Samples]:
        """Silence where a video's sound starts later than its pictures, so that times fit."""
        begin = (self._container.start_time or 0) / 1_000_000
        late = (first.time or 0.0) - begin
        if 0.05 < late <= min(60.0, self._limits.max_seconds):
            self._decoded += late
            self._check_length(self._decoded)
            yield np.zeros(int(late * SAMPLE_RATE), np.float32)

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except AV_ERRORS:
                self._damaged += 1
                return
            if packet is None:
                return
            if not acceptable(packet, self._stream.codec_context.name):
                self._damaged += 1
                continue
            try:
                frames = packet.decode()
            except EOFError:
                return
            except AV_ERRORS:
                self._damaged += 1
                if self._damaged > _MAX_DAMAGED_PACKETS:
                    return
                continue
            yield from frames


def _declared(container: InputContainer) -> float | None:
    return container.duration / 1_000_000 if container.duration else None
