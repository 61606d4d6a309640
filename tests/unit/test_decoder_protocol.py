"""A decoder process that was taken over can say what it likes: the server believes little of it."""

from __future__ import annotations

import json
import math
import os
import pickle
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.audio.isolation import protocol as p
from zhiyin.domain.audio import Notice
from zhiyin.domain.errors import AsrError, TooLong, UndecodableAudio


@contextmanager
def answering(data: bytes) -> Iterator[socket.socket]:
    """A socket whose other side has sent this and gone."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        yield ours


class Malicious:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("true",)


def test_errors_notices_and_sound_arrive() -> None:
    error = p.load_failure(p.dump_failure(TooLong("Too long.", param="file")))
    assert (type(error), error.code, error.message, error.param) == (
        TooLong, "audio_too_long", "Too long.", "file",
    )  # fmt: skip
    notices = [Notice("damaged_audio", "Parts were damaged.")]
    assert p.load_notices(p.dump_notices(notices)) == notices
    sound = np.linspace(-1, 1, 9, dtype=np.float32)
    assert np.array_equal(p.load_samples(bytearray(p.dump_samples(sound))), sound)
    assert [p.load_duration(body) for body in (b"null", b"3", b"2.5")] == [None, 3.0, 2.5]


def test_subclasses_keep_their_code() -> None:
    class Odd(UndecodableAudio):
        code = "odd_audio"

    error = p.load_failure(p.dump_failure(Odd("x" * 1000)))
    assert (type(error), error.code, len(error.message)) == (UndecodableAudio, "odd_audio", 500)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<cI", p.BLOCK, 0xFFFFFFFF),  # four gigabytes
        struct.pack("<cI", p.BLOCK, p.MAX_ANSWER_BYTES + 1),
    ],
)
def test_lengths_are_bounded_before_anything_is_read(data: bytes) -> None:
    with answering(data) as link, pytest.raises(p.Violation):
        p.receive(link, p.MAX_ANSWER_BYTES, 5)


@pytest.mark.parametrize("data", [b"", b"B", struct.pack("<cI", p.BLOCK, 8) + b"1234567"])
def test_half_a_message_is_an_end(data: bytes) -> None:
    with answering(data) as link, pytest.raises(EOFError):
        p.receive(link, p.MAX_ANSWER_BYTES, 5)


def test_a_message_that_never_ends_has_its_time() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack("<cI", p.BLOCK, 8) + b"1234")
        with pytest.raises(TimeoutError):
            p.receive(ours, p.MAX_ANSWER_BYTES, 0.05)


BAD_SOUND = [
    np.array([math.nan], "<f4"), np.array([math.inf], "<f4"), np.array([1.5], "<f4"),
    np.array([0, -2], "<f4"),
]  # fmt: skip


@pytest.mark.parametrize("body", [b"123", *(sound.tobytes() for sound in BAD_SOUND)])
def test_sound_is_finite_and_not_too_loud(body: bytes) -> None:
    with pytest.raises(p.Violation):
        p.load_samples(bytearray(body))


@pytest.mark.parametrize("load", [p.load_failure, p.load_notices, p.load_duration])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff", b"{", b"{}", b"[[]]", b"[1, 2]", b'"x"', b"NaN", b"-1", b"1e999", b"true",
        b"[" * 60_000, b"1" * 70_000, pickle.dumps(Malicious()),
        json.dumps(["SystemExit", "a", "b", None]).encode(),
        json.dumps(["UndecodableAudio", "no code", "b", None]).encode(),
        json.dumps(["UndecodableAudio", "a", "b" * 501, None]).encode(),
        json.dumps(["UndecodableAudio", "a", "b", ["file"]]).encode(),
        json.dumps([["code", "message"]] * 21).encode(),
        json.dumps([["a code", "message"]]).encode(),
        json.dumps([["code", "x" * 501]]).encode(),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(load: Callable[[bytes], object], body: bytes) -> None:
    with pytest.raises(p.Violation):
        load(body)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    for load in (p.load_failure, p.load_notices, p.load_duration, p.load_samples):
        try:
            load(bytearray(body))
        except p.Violation:
            continue


def test_no_control_character_gets_into_an_answer() -> None:
    body = json.dumps(["UndecodableAudio", "a", "b\r\nX: y\x1b[0m", None]).encode()
    assert isinstance(p.load_failure(body), AsrError)
    assert p.load_failure(body).message == "b  X: y [0m"
