"""Streams of sound: any encoding, cut anywhere, gives what the whole recording gives."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from tests.support import media
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.domain.errors import InvalidRequest, UndecodableAudio
from zhiyin.domain.live import AudioFormat, Encoding
from zhiyin.ports.sound import LiveSound

SOUND = media.samples("en_short")
RAW: list[tuple[Encoding, str, int]] = [
    ("s16le", "pcm_s16le", 16_000),
    ("s16le", "pcm_s16le", 44_100),
    ("f32le", "pcm_f32le", 48_000),
    ("mulaw", "pcm_mulaw", 8_000),
    ("alaw", "pcm_alaw", 8_000),
]
CONTAINERS: list[Encoding] = ["webm", "ogg"]


def cut(data: bytes, seed: int, most: int = 3000) -> Iterator[bytes]:
    chance = np.random.default_rng(seed)
    while data:
        size = int(chance.integers(1, most))
        yield data[:size]
        data = data[size:]


def fed(sound: LiveSound, pieces: Iterator[bytes]) -> media.Samples:
    parts = [sound.push(piece) for piece in pieces]
    parts.append(sound.finish())
    sound.close()
    return np.concatenate(parts)


def alike(got: media.Samples) -> float:
    """Correlation with the recording, at the best shift of a few milliseconds."""
    length = min(len(got), len(SOUND)) - 400
    return max(
        float(np.corrcoef(SOUND[:length], got[shift : shift + length])[0, 1])
        for shift in range(0, 400, 4)
    )


@pytest.mark.parametrize(("encoding", "codec", "rate"), RAW)
def test_raw_sound_in_any_pieces(encoding: Encoding, codec: str, rate: int) -> None:
    data = media.raw(SOUND, codec, rate)
    whole = fed(AvLiveDecoder().open(AudioFormat(encoding, rate)), iter([data]))
    for seed in (1, 2):
        pieces = fed(AvLiveDecoder().open(AudioFormat(encoding, rate)), cut(data, seed))
        assert abs(len(pieces) - len(SOUND)) < 20
        assert np.allclose(whole, pieces, atol=1e-3)
    assert alike(whole) > 0.95


@pytest.mark.parametrize("encoding", CONTAINERS)
def test_a_container_in_any_pieces(encoding: Encoding) -> None:
    data = media.recorded(SOUND, encoding)
    whole = fed(AvLiveDecoder().open(AudioFormat(encoding, 0)), iter([data]))
    assert alike(whole) > 0.95
    for most in (2, 700):
        pieces = fed(AvLiveDecoder().open(AudioFormat(encoding, 0)), cut(data, most, most))
        assert np.array_equal(whole, pieces)


@pytest.mark.parametrize("encoding", CONTAINERS)
def test_what_was_pushed_is_there_when_the_call_returns(encoding: Encoding) -> None:
    data = media.recorded(SOUND, encoding)
    sound = AvLiveDecoder().open(AudioFormat(encoding, 0))
    got = 0
    for at in range(0, len(data), 500):
        got += len(sound.push(data[at : at + 500]))
        share = min(1.0, (at + 500) / len(data))
        assert got > (share - 0.2) * len(SOUND)
    assert sound.settle().seconds == pytest.approx(got / 16_000)
    sound.close()


def test_an_incomplete_sample_is_waited_for_or_forgotten() -> None:
    sound = AvLiveDecoder().open(AudioFormat("f32le", 16_000))
    got = len(sound.push(bytes(4 * 100 + 3)))
    received = sound.settle()
    assert (received.bytes, received.seconds) == (400, 100 / 16_000)
    got += len(sound.push(bytes(3))) + len(sound.push(bytes(4 * 1000 - 3))) + len(sound.finish())
    assert got == 1100


def test_samples_that_are_no_numbers_are_silence() -> None:
    data = np.full(16_000, np.nan, "<f4").tobytes()
    got = fed(AvLiveDecoder().open(AudioFormat("f32le", 16_000)), iter([data]))
    assert np.isfinite(got).all()
    loud = fed(
        AvLiveDecoder().open(AudioFormat("f32le", 16_000)),
        iter([np.full(9000, 1e30, "<f4").tobytes()]),
    )
    assert np.abs(loud).max() <= 1.0


@pytest.mark.parametrize("rate", [0, 7999, 96_001, -1])
def test_odd_rates_are_refused(rate: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        AvLiveDecoder().open(AudioFormat("s16le", rate))
    assert caught.value.param == "sample_rate"


@pytest.mark.parametrize("encoding", CONTAINERS)
@pytest.mark.parametrize("data", [b"RIFF" + bytes(100), b"x", bytes(9), bytes(200_000)])
def test_what_is_no_container_is_refused_at_once(encoding: Encoding, data: bytes) -> None:
    sound = AvLiveDecoder().open(AudioFormat(encoding, 0))
    with pytest.raises(UndecodableAudio):
        sound.push(data)
    sound.close()


@pytest.mark.parametrize("encoding", CONTAINERS)
def test_rubbish_behind_a_good_head_ends(encoding: Encoding) -> None:
    """Noise in the middle is an error or is skipped; nothing hangs and nothing else is raised."""
    data = media.recorded(SOUND, encoding)
    for seed in range(20):
        noise = np.random.default_rng(seed).bytes(100_000)
        keep = 4 + seed * 150
        sound = AvLiveDecoder().open(AudioFormat(encoding, 0))
        try:
            fed(sound, cut(data[:keep] + noise + data[keep:], seed, 20_000))
        except UndecodableAudio:
            sound.close()


@pytest.mark.parametrize("encoding", CONTAINERS)
@pytest.mark.parametrize("length", [0, 1, 30, 5000])
def test_close_at_any_moment_ends_the_thread(encoding: Encoding, length: int) -> None:
    sound = AvLiveDecoder().open(AudioFormat(encoding, 0))
    data = media.recorded(SOUND, encoding)
    if length:
        sound.push(data[:length])
    sound.close()
    sound.close()
    for thread in threading.enumerate():
        if thread.name == "zhiyin-demuxer":
            thread.join(10)
            assert not thread.is_alive()


def test_nothing_at_all_is_no_error() -> None:
    encodings: list[Encoding] = ["s16le", "webm", "ogg"]
    for encoding in encodings:
        assert len(fed(AvLiveDecoder().open(AudioFormat(encoding, 16_000)), iter([]))) == 0


@pytest.mark.parametrize("encoding", CONTAINERS)
def test_a_file_where_raw_samples_are_due_is_named(encoding: Encoding) -> None:
    sound = AvLiveDecoder().open(AudioFormat("s16le", 16_000))
    with pytest.raises(UndecodableAudio, match=encoding):
        sound.push(media.recorded(SOUND, encoding))
    with pytest.raises(UndecodableAudio, match="header"):
        AvLiveDecoder().open(AudioFormat("s16le", 16_000)).push(media.wav(SOUND))


@pytest.mark.parametrize("encoding", ["s16le", "f32le", "mulaw"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_head_of_a_file_is_known_in_pieces(encoding: Encoding, size: int) -> None:
    sound = AvLiveDecoder().open(AudioFormat(encoding, 16_000))
    file = media.wav(SOUND)
    sound.push(file[:1])
    sound.settle()  # a connection broke, and the next one goes on from the bytes that count
    rest = file[sound.settle().bytes :]
    with pytest.raises(UndecodableAudio, match="header"):
        fed(sound, iter([rest[at : at + size] for at in range(0, 8, size)]))
