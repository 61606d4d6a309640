"""A decoder process: one recording or live stream, from its first message to its end."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.isolation import protocol as p
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.domain.audio import AudioLimits, Samples
from zhiyin.domain.errors import AsrError, UndecodableAudio
from zhiyin.domain.live import AudioFormat
from zhiyin.domain.source import AudioSource
from zhiyin.ports.sound import LiveSound

_BUFFER = 64 << 10


def serve(link: socket.socket) -> None:
    """Serve the request that comes on `link`, until the other side has closed it."""
    try:
        p.send(link, p.STARTED)
        _answer(link)
        while link.recv(p.MAX_JSON_BYTES):  # what was asked before the end was read
            pass
    except (EOFError, ConnectionError):
        return


def _answer(link: socket.socket) -> None:
    kind, body, descriptors = p.receive_request(link)
    try:
        if kind == p.FILE:
            _serve_file(link, json.loads(body), descriptors)
        else:
            _serve_live(link, json.loads(body))
    except AsrError as error:
        p.send(link, p.FAILED, p.dump_failure(error))
    except (EOFError, ConnectionError):
        raise
    except Exception:  # noqa: BLE001 - whatever FFmpeg and its bindings raise is the recording's
        param = "file" if kind == p.FILE else "encoding"
        p.send(link, p.FAILED, p.dump_failure(UndecodableAudio(p.UNDECODABLE, param=param)))


def _serve_file(link: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
    limits = AudioLimits(request["max_seconds"])
    if descriptors:
        stream = cast("BinaryIO", io.BufferedReader(_Lent(descriptors[0]), _BUFFER))
    else:
        stream = io.BytesIO(p.receive(link, p.MAX_INLINE_BYTES)[1])
    decoded = AvDecoder().open(AudioSource(stream, request["size"]), limits, request["track"])
    p.send(link, p.OPENED, json.dumps(decoded.duration).encode())
    for samples in decoded.blocks():
        for block in _bounded(samples):
            p.receive(link, 0)
            p.send(link, p.BLOCK, p.dump_samples(block))
    p.receive(link, 0)
    p.send(link, p.END, p.dump_notices(decoded.notices))


def _serve_live(link: socket.socket, request: dict[str, object]) -> None:
    sound: LiveSound = AvLiveDecoder().open(AudioFormat(**request))  # type: ignore[arg-type]
    while True:
        kind, data = p.receive(link, p.MAX_INLINE_BYTES)
        samples = sound.push(bytes(data)) if kind == p.PUSH else sound.finish()
        for block in _bounded(samples):
            p.send(link, p.BLOCK, p.dump_samples(block))
        p.send(link, p.END, p.MORE if sound.pending else b"")


def _bounded(samples: Samples) -> Iterator[Samples]:
    for at in range(0, len(samples), p.MAX_BLOCK):
        yield samples[at : at + p.MAX_BLOCK]


class _Lent(io.RawIOBase):
    """A file whose descriptor the server lent; the position in it stays the server's own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The position of this side."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As `io.RawIOBase`."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        self._at = (os.fstat(self._descriptor).st_size if base is None else base) + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """As `io.RawIOBase`."""
        data = os.pread(self._descriptor, len(buffer), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
