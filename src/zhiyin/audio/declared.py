"""How long a recording is, by its header: what is a declaration, and what a guess of FFmpeg.

Without a declared length FFmpeg extrapolates from the bit rate of the beginning (a second of
silence makes hours of a VBR file), or subtracts time stamps, whose clock may have jumped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from av.audio.stream import AudioStream
from av.container import InputContainer

from zhiyin.audio.formats import AV_ERRORS
from zhiyin.audio.riff import PLACEHOLDER_BYTES, declared_seconds
from zhiyin.audio.timeline import longest_gap
from zhiyin.domain.source import AudioSource

_OF_TRACK = {
    "w64", "aiff", "au", "caf", "voc", "nistsphere", "flac", "tta", "wv", "mov", "avi", "mxf",
}  # fmt: skip
_COUNTED = {"mov", "avi"}
"""Where the number of packets is declared with the length; else it is a guess."""

_OF_FILE = {"ogg", "flv", "asf", "nut"}
_UNTIL = {"ogg", "asf", "nut"}
"""Where the length is the time of the end, and the clock may not begin at 0."""

_TAG = re.compile(r"(\d+):(\d\d):(\d\d\.\d+)")
_HEAD = 4096  # bytes; the first frame of an MP3 is within them


@dataclass(frozen=True, slots=True)
class Declared:
    """`length` of the recording and of the `track` itself in seconds; None: not declared."""

    length: float | None = None
    track: float | None = None


def declared(container: InputContainer, track: AudioStream, source: AudioSource) -> Declared:
    """What is declared, whether it is true or not; see `holds`."""
    position = source.stream.tell()
    try:
        return _declared(container, track, source)
    finally:
        source.stream.seek(position)  # where FFmpeg goes on


def _declared(container: InputContainer, track: AudioStream, source: AudioSource) -> Declared:
    name = container.format.name.partition(",")[0]
    own = _track_seconds(track)
    whole = container.duration / 1_000_000 if container.duration else None
    if name == "wav":
        return Declared(own, declared_seconds(source.stream, source.size) or own)
    if name == "matroska":
        return _matroska(container, track, whole)
    if name == "mp3":
        own = own if _counts_frames(source.stream) else None
        return Declared(own, own)
    if name == "mov" and own is not None:
        own += _lead(container, track)
    if name in _OF_TRACK:
        told = own if name not in _COUNTED or track.frames else None
        told = None if _is_placeholder(told, track, source.size) else told
        return Declared(told, told)
    length = own or whole if name in _OF_FILE else None
    return Declared(length - _begin(container) if length and name in _UNTIL else length)


def holds(container: InputContainer, track: AudioStream, seconds: float) -> bool:
    """Whether there is sound of that time after the track's start, where no clock has jumped.

    Uses the container up.
    """
    base = track.time_base
    if base is None:
        return False
    target = int(((track.start_time or 0) * base + seconds - 1.0) / base)
    before = target
    try:
        container.seek(target, stream=track)
        for packet in container.demux(track):
            if packet.pts is not None and packet.pts >= target:
                return float((packet.pts - before) * base) <= longest_gap(container)
            before = packet.pts or before
    except AV_ERRORS:
        return False
    return False


def _begin(container: InputContainer) -> float:
    return max(0.0, (container.start_time or 0) / 1_000_000)


def _lead(container: InputContainer, track: AudioStream) -> float:
    """Seconds of the film before its sound."""
    if track.start_time is None or track.time_base is None:
        return 0.0
    return max(0.0, float(track.start_time * track.time_base) - _begin(container))


def _track_seconds(track: AudioStream) -> float | None:
    if not track.duration or track.time_base is None:
        return None
    return float(track.duration * track.time_base)


def _matroska(container: InputContainer, track: AudioStream, whole: float | None) -> Declared:
    """Lengths are times of the end, where the clock does not begin at 0."""
    begin = _begin(container)
    found = _TAG.match(track.metadata.get("DURATION", ""))
    if found is not None:
        hours, minutes, seconds = found.groups()
        own = int(hours) * 3600 + int(minutes) * 60 + float(seconds) - begin
        return Declared(own, own)
    length = None if whole is None else whole - begin
    return Declared(length, None if container.streams.video else length)


def _is_placeholder(seconds: float | None, track: AudioStream, size: int) -> bool:
    """Whether it is what programs write that don't know the length yet."""
    bits = track.codec_context.bit_rate
    return bool(seconds and bits and seconds * bits / 8 > max(size, PLACEHOLDER_BYTES))


def _counts_frames(stream: BinaryIO) -> bool:
    """Whether an MP3 file says how many frames it has, in a first frame of Xing's or VBRI's."""
    stream.seek(0)
    head = stream.read(10)
    if head[:3] == b"ID3" and len(head) == 10:
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        stream.seek(10 + size)
        head = b""
    head += stream.read(_HEAD)
    return any(mark in head for mark in (b"Xing", b"Info", b"VBRI"))
