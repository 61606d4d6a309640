"""Messages between the server and a decoder process: a kind, a length, plain data; never pickle.

A decoder process may have been taken over by the recording it reads, so lengths are bounded and
JSON is checked field by field. Sound is little-endian float32.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from typing import Any

import numpy as np

from zhiyin.domain import errors as e
from zhiyin.domain.audio import SAMPLE_RATE, Notice, Samples

# To a decoder process.
FILE, BYTES, NEXT = b"F", b"Y", b"N"
LIVE, PUSH, FINISH = b"L", b"P", b"Q"
# From it.
STARTED, OPENED, BLOCK, END, FAILED = b"S", b"O", b"B", b"E", b"X"

UNDECODABLE = "The sound could not be decoded. It may be damaged, or need too much memory or time."

MORE = b"+"
"""The body of END in a live stream with more sound of the bytes that came."""

MAX_BLOCK = 4 * SAMPLE_RATE
"""Samples of one BLOCK at most."""

MAX_JSON_BYTES = 64 << 10
MAX_INLINE_BYTES = 1 << 20
MAX_ANSWER_BYTES = max(MAX_JSON_BYTES, 4 * MAX_BLOCK)

_HEADER = struct.Struct("<cI")
_MAX_TEXT = 500
_MAX_NOTICES = 20
_ERRORS: dict[str, type[e.AsrError]] = {
    kind.__name__: kind for kind in (e.UndecodableAudio, e.EmptyAudio, e.TooLong, e.InvalidRequest)
}


class Violation(ValueError):
    """The other side sent what it must not."""


def send(
    link: socket.socket, kind: bytes, body: bytes = b"", descriptor: int | None = None
) -> None:
    """One message, with a file descriptor if there is one. Raises OSError."""
    header = _HEADER.pack(kind, len(body))
    if descriptor is None:
        link.sendall(header + body)
    else:
        socket.send_fds(link, [header], [descriptor])
        link.sendall(body)


def receive(
    link: socket.socket, max_bytes: int, within_s: float | None = None
) -> tuple[bytes, bytearray]:
    """One whole message within so many seconds.

    Raises EOFError, TimeoutError, OSError, and Violation for a longer one.
    """
    end = None if within_s is None else time.monotonic() + within_s
    kind, length = _HEADER.unpack(_exactly(link, _HEADER.size, end))
    if length > max_bytes:
        raise Violation(f"{length} bytes")
    return kind, _exactly(link, length, end)


def receive_request(link: socket.socket) -> tuple[bytes, bytearray, list[int]]:
    """For the decoder process: its first message, which may bring a file descriptor."""
    header, descriptors, _, _ = socket.recv_fds(link, _HEADER.size, 1)
    rest = _exactly(link, _HEADER.size - len(header), None)
    kind, length = _HEADER.unpack(header + rest)
    return kind, _exactly(link, length, None), descriptors


def _exactly(link: socket.socket, size: int, end: float | None) -> bytearray:
    data = bytearray(size)
    view, got = memoryview(data), 0
    while got < size:
        if end is not None:
            link.settimeout(max(0.001, end - time.monotonic()))
        count = link.recv_into(view[got:])
        if count == 0:
            raise EOFError
        got += count
        if end is not None and time.monotonic() > end:
            raise TimeoutError
    return data


def dump_failure(error: e.AsrError) -> bytes:
    """The body of FAILED."""
    kind = next((k.__name__ for k in type(error).__mro__ if k.__name__ in _ERRORS), "")
    fields = (kind, error.code, error.message[:_MAX_TEXT], error.param)
    return json.dumps(fields).encode()


def load_failure(body: bytes | bytearray) -> e.AsrError:
    """The error that a decoder process reports. Raises Violation."""
    fields = _json(body)
    if not isinstance(fields, list) or len(fields) != 4:
        raise Violation("failure")
    kind, code, message, param = fields
    if kind not in _ERRORS or not _is_name(code) or not (param is None or _is_name(param)):
        raise Violation("failure")
    return _ERRORS[kind](_text(message), code=code, param=param)


def dump_notices(notices: list[Notice]) -> bytes:
    """The body of END."""
    return json.dumps([(n.code, n.message[:_MAX_TEXT]) for n in notices[:_MAX_NOTICES]]).encode()


def load_notices(body: bytes | bytearray) -> list[Notice]:
    """The notices of a decoder process. Raises Violation."""
    rows = _json(body)
    if not isinstance(rows, list) or len(rows) > _MAX_NOTICES:
        raise Violation("notices")
    notices = []
    for row in rows:
        if not isinstance(row, list) or len(row) != 2 or not _is_name(row[0]):
            raise Violation("notice")
        notices.append(Notice(row[0], _text(row[1])))
    return notices


def load_duration(body: bytes | bytearray) -> float | None:
    """The declared seconds. Raises Violation."""
    value = _json(body)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Violation("duration")
    if not math.isfinite(value) or value < 0:
        raise Violation("duration")
    return float(value)


def dump_samples(samples: Samples) -> bytes:
    """The body of BLOCK."""
    return samples.astype("<f4", copy=False).tobytes()


def load_samples(body: bytearray) -> Samples:
    """The samples of a decoder process: whole, finite and in [-1, 1]. Raises Violation."""
    if len(body) % 4:
        raise Violation("samples")
    samples = np.frombuffer(body, "<f4").astype(np.float32, copy=False)
    # Written so that NaN fails.
    if len(samples) and not (samples.min() >= -1.0 and samples.max() <= 1.0):
        raise Violation("samples")
    return samples


def _json(body: bytes | bytearray) -> Any:
    if len(body) > MAX_JSON_BYTES:
        raise Violation("json")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Violation("json") from error


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isidentifier() and value.isascii() and len(value) < 50


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise Violation("text")
    return "".join(c if c.isprintable() else " " for c in value)
