"""Declared length of a WAV file: FFmpeg trims what the header declares to the file's size."""

from __future__ import annotations

import struct
from typing import BinaryIO

PLACEHOLDER_BYTES = 1 << 29
"""Programs that don't know the length yet write 2 or 4 GB, more or less a header or a block. A
file that declares so much and has less is no cut one: nobody uploads that."""

_MAX_CHUNKS = 64


def declared_seconds(stream: BinaryIO, size: int) -> float | None:
    """Seconds a RIFF/WAVE header declares when that is more than the file holds, else None.

    None as well for sizes that stand for an unknown length.

    Source: "Multimedia Programming Interface and Data Specifications 1.0" (IBM, Microsoft, 1991).
    """
    stream.seek(0)
    head = stream.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    bytes_per_second, data_size = _walk(stream)
    if not bytes_per_second or data_size is None or data_size >= PLACEHOLDER_BYTES:
        return None
    present = size - stream.tell()
    return data_size / bytes_per_second if data_size > present else None


def _walk(stream: BinaryIO) -> tuple[int, int | None]:
    bytes_per_second = 0
    for _ in range(_MAX_CHUNKS):
        header = stream.read(8)
        if len(header) < 8:
            break
        name, length = header[:4], struct.unpack("<I", header[4:])[0]
        if name == b"data":
            return bytes_per_second, length
        if name == b"fmt ":
            body = stream.read(min(length, 16))
            if len(body) >= 12:
                bytes_per_second = struct.unpack("<I", body[8:12])[0]
            length -= len(body)
        stream.seek(length + (length & 1 if name != b"fmt " else 0), 1)
    return bytes_per_second, None
