"""Small files that would expand to gigabytes, and what decoding one takes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.support.media import EXACT

LONGEST = 65_535
"""Samples of a FLAC frame."""


@dataclass(frozen=True)
class Decoded:
    """What became of a file in a process of its own: seconds of sound, or an error's code."""

    seconds: float
    longest_block_s: float
    error: str | None
    peak_mb: float


def decoded_apart(data: bytes, folder: Path, max_seconds: float = 60.0) -> Decoded:
    """Decode in a fresh process; `peak_mb` is what that process had at its most, above its start.

    The address space is limited to 6 GB, so that a test which fails does not take the machine.
    """
    file = folder / "hostile"
    file.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.hostile", str(file), str(max_seconds)],
        check=True,
        capture_output=True,
        timeout=600,
    )
    return Decoded(**json.loads(done.stdout))


def flac(frames: Sequence[bytes], rate: int, channels: int = 1, total: int = 0) -> bytes:
    """A FLAC file; `total` samples are declared, none when 0."""
    return b"fLaC\x80\x00\x00\x22" + stream_info(rate, channels, total) + b"".join(frames)


def stream_info(rate: int, channels: int = 1, total: int = 0) -> bytes:
    """Of 16-bit sound in frames of any length (RFC 9639, 8.2)."""
    sizes = (16).to_bytes(2) + LONGEST.to_bytes(2) + bytes(6)
    packed = rate << 44 | (channels - 1) << 41 | 15 << 36 | total
    return sizes + packed.to_bytes(8) + bytes(16)


def flac_frame(number: int, rate: int, channels: int = 1, samples: int = LONGEST) -> bytes:
    """A frame of silence, 15 bytes in mono (RFC 9639, 9)."""
    if rate % 10 == 0 and rate // 10 < 1 << 16:
        code, value = 14, (rate // 10).to_bytes(2)
    elif rate < 1 << 16:
        code, value = 13, rate.to_bytes(2)
    else:
        code, value = 0, b""  # as in the stream's header
    head = bytes([0xFF, 0xF8, 7 << 4 | code, (channels - 1) << 4 | 4 << 1])
    head += chr(number).encode() + (samples - 1).to_bytes(2) + value
    body = head + bytes([_crc(head, 8, 0x07)]) + bytes(3) * channels  # constant subframes
    return body + _crc(body, 16, 0x8005).to_bytes(2)


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    crc, top, mask = 0, 1 << bits - 1, (1 << bits) - 1
    for byte in data:
        crc ^= byte << bits - 8
        for _ in range(8):
            crc = (crc << 1 ^ (polynomial if crc & top else 0)) & mask
    return crc


def packed(packets: Sequence[bytes], container: str, template: bytes) -> bytes:
    """Packets as they are in a container, whose stream is that of the file `template`."""
    buffer = io.BytesIO()
    with (
        av.open(io.BytesIO(template)) as model,
        av.open(buffer, "w", format=container, options=dict(EXACT)) as made,
    ):
        stream = made.add_stream_from_template(model.streams.audio[0])
        for at, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = at
            made.mux(packet)
    return buffer.getvalue()


def png(side: int) -> bytes:
    """A 16-bit RGBA picture of nothing: one byte for a thousand in memory."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = zlib.crc32(name + body).to_bytes(4)
        return len(body).to_bytes(4) + name + body + check

    head = side.to_bytes(4) * 2 + bytes([16, 6, 0, 0, 0])
    pixels = zlib.compress(bytes(side * (8 * side + 1)), 9)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def with_cover(file: bytes, picture: bytes) -> bytes:
    """A FLAC file with a cover."""
    kind = b"image/png"
    block = (3).to_bytes(4) + len(kind).to_bytes(4) + kind + bytes(4 * 5)
    block += len(picture).to_bytes(4) + picture
    head = 4 + 4 + 34
    first = file[:4] + b"\x00" + file[5:head]
    return first + b"\x86" + len(block).to_bytes(3) + block + file[head:]


def _peak_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _main(path: Path, max_seconds: float) -> dict[str, Any]:
    import resource

    from zhiyin.audio.decode import AvDecoder
    from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits
    from zhiyin.domain.errors import AsrError
    from zhiyin.domain.source import AudioSource

    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    data = path.read_bytes()
    start, blocks, error = _peak_mb(), [0], None
    try:
        opened = AvDecoder().open(
            AudioSource(io.BytesIO(data), len(data)), AudioLimits(max_seconds)
        )
        blocks += [len(block) for block in opened.blocks()]
        opened.close()
    except AsrError as refused:
        error = refused.code
    return {
        "seconds": sum(blocks) / SAMPLE_RATE,
        "longest_block_s": max(blocks) / SAMPLE_RATE,
        "error": error,
        "peak_mb": _peak_mb() - start,
    }


if __name__ == "__main__":
    np.zeros(1)
    sys.stdout.write(json.dumps(_main(Path(sys.argv[1]), float(sys.argv[2]))))
