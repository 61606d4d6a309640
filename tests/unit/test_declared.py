"""Declared lengths: refused beforehand is only what a file declares and holds."""

from __future__ import annotations

import io
import struct

import av
import numpy as np
import pytest

from tests.support import hostile, media
from tests.support.decoding import decoded
from tests.support.media import Form
from tests.support.muxing import Track, muxed
from zhiyin.audio.decode import AvDecoder
from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits
from zhiyin.domain.errors import TooLong
from zhiyin.domain.source import AudioSource

SOUND = media.samples("en_short")
LENGTH_S = len(SOUND) / SAMPLE_RATE
SILENCE_20_S = np.zeros(20 * SAMPLE_RATE, np.float32)


def opened(data: bytes, max_seconds: float = 60.0) -> float | None:
    """The length that is known before anything is decoded."""
    source = AudioSource(io.BytesIO(data), len(data))
    recording = AvDecoder().open(source, AudioLimits(max_seconds))
    recording.close()
    return recording.duration


def wav_declaring(size: int, sound: media.Samples = SOUND) -> bytes:
    data = bytearray(media.wav(sound))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", size)
    return bytes(data)


@pytest.mark.parametrize(
    "size",
    [0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFFFDB, 0x40000000],
)
def test_a_streamed_wav_has_no_length(size: int) -> None:
    found = decoded(wav_declaring(size), max_seconds=60)
    assert found.seconds == pytest.approx(LENGTH_S, abs=0.01)
    assert found.notices == set()
    assert found.duration is None or found.duration == pytest.approx(LENGTH_S, abs=0.01)


def test_a_wav_that_declares_more_than_it_holds_is_not_refused() -> None:
    found = decoded(wav_declaring(2 * SAMPLE_RATE * 3600), max_seconds=60)
    assert found.duration == pytest.approx(LENGTH_S, abs=0.01)
    assert found.notices == {"truncated_audio"}


@pytest.mark.parametrize(
    ("container", "marker", "offset", "width"),
    [("aiff", b"COMM", 10, 4), ("au", b".snd", 8, 4), ("w64", b"data", 16, 8)],
)
def test_other_streamed_formats_have_no_length(
    container: str, marker: bytes, offset: int, width: int
) -> None:
    codec = "pcm_s16le" if container == "w64" else "pcm_s16be"
    data = bytearray(media.encode(SOUND, Form(container, codec)))
    at = data.index(marker) + offset
    order = "<Q" if container == "w64" else ">I"
    data[at : at + width] = struct.pack(order, 0x7FFFF000)
    found = decoded(bytes(data), max_seconds=60)
    assert found.seconds == pytest.approx(LENGTH_S, abs=0.01)
    assert found.notices == set()


@pytest.mark.parametrize("form", [Form("adts", "aac"), Form("mp3", "libmp3lame")])
def test_guesses_of_vbr_are_no_declarations(form: Form) -> None:
    """FFmpeg takes the bit rate of 20 silent seconds for that of the whole file."""
    options = (("q", "4"), ("write_xing", "0")) if form.codec == "libmp3lame" else ()
    speech = np.tile(SOUND, 20)
    data = media.encode(
        np.concatenate([SILENCE_20_S, speech]), Form(form.container, form.codec, options=options)
    )
    if form.container == "mp3":
        data = without_xing(data)
    seconds = 20 + 20 * LENGTH_S
    found = decoded(data, max_seconds=seconds + 1)
    assert found.duration is None
    assert found.seconds == pytest.approx(seconds, abs=0.3)
    assert found.notices == set()


def without_xing(data: bytes) -> bytes:
    """An MP3 file without its first frame, which says how many follow."""
    return data[data.index(b"\xff\xf3", data.index(b"\xff\xf3") + 2) :]


def test_a_film_that_outlasts_its_sound_is_not_cut() -> None:
    for container, codec in (("mp4", "aac"), ("matroska", "libopus"), ("mov", "pcm_s16le")):
        found = decoded(muxed(container, [Track([(0, SOUND)], codec)], film_s=LENGTH_S + 4))
        assert found.notices == set()
        assert found.seconds == pytest.approx(LENGTH_S, abs=0.2)


@pytest.mark.parametrize(
    "form",
    [
        Form("wav", "pcm_s16le"),
        Form("flac", "flac"),
        Form("mp3", "libmp3lame"),
        Form("aiff", "pcm_s16be"),
        Form("matroska", "libopus", 48_000),
    ],
    ids=lambda form: form.name,
)
def test_a_cut_file_is_told(form: Form) -> None:
    data = media.encode(np.tile(SOUND, 4), form)
    found = decoded(data[: len(data) // 2])
    assert found.notices - {"damaged_audio"} == {"truncated_audio"}
    assert 0.3 < found.seconds / (4 * LENGTH_S) < 0.8


@pytest.mark.parametrize(
    "form",
    [
        Form("wav", "pcm_s16le"),
        Form("flac", "flac"),
        Form("mp3", "libmp3lame"),
        Form("mp4", "aac"),
        Form("matroska", "libopus", 48_000),
        Form("ogg", "libopus", 48_000),
        Form("aiff", "pcm_s16be"),
    ],
    ids=lambda form: form.name,
)
def test_too_long_is_refused_before_it_is_decoded(form: Form) -> None:
    data = media.encode(np.tile(SOUND, 30), form)
    with pytest.raises(TooLong):
        opened(data, max_seconds=40)
    assert opened(data, max_seconds=100) == pytest.approx(30 * LENGTH_S, abs=0.3)


def test_declared_hours_that_are_not_there_are_not_believed() -> None:
    """57 bytes that declare two hours would keep others out while they wait for nothing."""
    frames = [hostile.flac_frame(n, 16_000) for n in range(2)]
    for hours in (1.9, 20.0):
        file = hostile.flac(frames, 16_000, total=int(hours * 3600 * 16_000))
        found = decoded(file, max_seconds=7200)
        assert found.duration is None
        assert found.seconds == pytest.approx(2 * hostile.LONGEST / 16_000, abs=0.1)
        assert found.notices == {"truncated_audio"}


def test_a_long_file_keeps_its_length_and_its_sound() -> None:
    """It is opened again after a look at its end."""
    sound = np.tile(SOUND, 60)
    data = media.encode(sound, Form("flac", "flac"))
    found = decoded(data)
    assert found.duration == pytest.approx(len(sound) / SAMPLE_RATE, abs=0.01)
    assert np.allclose(found.samples, sound, atol=1e-3)


def test_nothing_is_known_of_what_is_still_growing() -> None:
    """A MediaRecorder's file."""
    for container in ("webm", "ogg"):
        found = decoded(media.recorded(SOUND, container))
        assert found.duration is None or found.duration == pytest.approx(LENGTH_S, abs=0.2)
        assert found.notices == set()


def test_a_film_in_fragments_declares_nothing() -> None:
    buffer = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov"}
    with av.open(buffer, "w", format="mp4", options=options) as made:
        stream = made.add_stream("aac", rate=16_000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(SOUND.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=16_000, frame_size=1024)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            made.mux(stream.encode(part))
        made.mux(stream.encode(None))
    found = decoded(buffer.getvalue())
    assert found.seconds == pytest.approx(LENGTH_S, abs=0.2)
    assert found.notices == set()
