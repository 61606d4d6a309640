"""Frames of the tracks of a file, past what is damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from zhiyin.audio.formats import AV_ERRORS
from zhiyin.audio.packets import acceptable

_MAX_DAMAGED_PACKETS = 1000


class Frames:
    """Iterates over (track, frame) in the file's order. `damaged` counts what was passed over."""

    def __init__(self, container: InputContainer, tracks: Sequence[AudioStream]) -> None:
        self._container = container
        self._tracks = tracks
        self.damaged = 0

    def __iter__(self) -> Iterator[tuple[AudioStream, AudioFrame]]:
        packets = self._container.demux(*self._tracks)
        while self.damaged <= _MAX_DAMAGED_PACKETS:
            try:
                packet = next(packets, None)
            except AV_ERRORS:
                self.damaged += 1
                return
            if packet is None:
                return
            track = cast("AudioStream", packet.stream)
            if not acceptable(packet, track.codec_context.name):
                self.damaged += 1
                continue
            try:
                frames = cast("list[AudioFrame]", packet.decode())
            except EOFError:
                continue
            except AV_ERRORS:
                self.damaged += 1
                continue
            for frame in frames:
                yield track, frame
