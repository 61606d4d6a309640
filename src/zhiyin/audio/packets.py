"""What one packet may hold: PyAV decodes a packet as a whole, so this is bounded before.

A FLAC frame of 65,535 samples takes 15 bytes, and a Matroska block may have a megabyte of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from av.packet import Packet

_LARGEST = 4 << 20
"""Bytes. The longest frame of a lossless codec."""

_LARGEST_PLAIN = 16 << 20
"""Bytes of samples without a codec: some programs write minutes of them as one packet."""

_SEVERAL = {
    "aac": 32 << 10, "aac_latm": 32 << 10, "mp2": 32 << 10, "mp2float": 32 << 10,
    "mp3": 32 << 10, "mp3float": 32 << 10, "ac3": 32 << 10, "eac3": 32 << 10,
    "dca": 128 << 10, "mlp": 128 << 10, "truehd": 128 << 10,
    "amrnb": 32 << 10, "amrwb": 32 << 10, "g723_1": 32 << 10, "gsm": 128 << 10, "gsm_ms": 128 << 10,
    "wmapro": 64 << 10, "wmalossless": 64 << 10, "wmavoice": 64 << 10,
}  # fmt: skip
"""Bytes, for codecs whose decoder goes on behind the first frame of a packet. Their frames have
at most some kilobytes, and make at most some thousand times as much sound."""

_MAX_FLAC_FRAMES = 16


def acceptable(packet: Packet[Any], codec: str) -> bool:
    """Whether the packet is no larger, and holds no more, than files that somebody recorded."""
    usual = _LARGEST_PLAIN if codec.startswith("pcm_") else _LARGEST
    if packet.size > _SEVERAL.get(codec, usual):
        return False
    return codec != "flac" or sum(1 for _ in _flac_frames(bytes(packet))) <= _MAX_FLAC_FRAMES


def _flac_frames(data: bytes) -> Iterator[int]:
    """Where a frame may begin: a sync code and a header with the right check (RFC 9639, 9.1)."""
    for sync in (b"\xff\xf8", b"\xff\xf9"):
        at = data.find(sync)
        while at >= 0:
            if _is_header(data[at : at + 16]):
                yield at
            at = data.find(sync, at + 1)


def _is_header(data: bytes) -> bool:
    if len(data) < 6:
        return False
    number = data[4]  # coded like a character of UTF-8
    length = 5 + (0 if number < 0x80 else max(0, 7 - (number ^ 0xFF).bit_length()))
    block, rate = data[2] >> 4, data[2] & 15
    length += {6: 1, 7: 2}.get(block, 0) + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    return length < len(data) and _crc8(data[:length]) == data[length]


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc
