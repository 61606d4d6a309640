"""Real files in, float samples out."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest

from tests.support import media
from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.riff import declared_seconds
from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits, Notice
from zhiyin.domain.errors import AsrError, EmptyAudio, TooLong, UndecodableAudio
from zhiyin.domain.source import AudioSource

LIMITS = AudioLimits(60.0)


def _empty_wav() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
    return buffer.getvalue()


def decode(
    data: bytes, limits: AudioLimits = LIMITS
) -> tuple[media.Samples, list[Notice], list[int]]:
    """Samples, notices, and the sizes of the blocks."""
    decoded = AvDecoder().open(AudioSource(io.BytesIO(data), len(data)), limits)
    try:
        blocks = list(decoded.blocks())
    finally:
        decoded.close()
    return np.concatenate(blocks), decoded.notices, [len(b) for b in blocks]


@pytest.mark.parametrize("form", media.FORMS, ids=lambda f: f.name)
def test_every_form_gives_the_same_sound(form: media.Form) -> None:
    sound = media.samples("en_short")
    got, notices, _ = decode(media.encode(sound, form))
    assert got.dtype == np.float32
    assert abs(len(got) - len(sound)) < 0.15 * SAMPLE_RATE
    assert notices == []
    assert _likeness(sound, got) > 0.9


def _likeness(one: media.Samples, other: media.Samples) -> float:
    """Correlation of the loudness curves, at the best shift."""
    a, b = _loudness(one), _loudness(other)
    shifts = range(-8, 9)
    size = min(len(a), len(b)) - 16
    return max(float(np.corrcoef(a[8 : 8 + size], b[8 + s : 8 + s + size])[0, 1]) for s in shifts)


def _loudness(sound: media.Samples) -> media.Samples:
    usable = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    return np.asarray(np.sqrt((usable**2).mean(axis=1)), np.float32)


def test_blocks_are_about_a_second() -> None:
    _, _, sizes = decode(media.wav(np.zeros(10 * SAMPLE_RATE, np.float32)))
    assert max(sizes) <= 2 * SAMPLE_RATE
    assert len(sizes) >= 5


def test_sound_that_starts_late_in_a_film_keeps_its_place() -> None:
    sound = media.samples("en_short")
    film = media.encode(np.concatenate([np.zeros(SAMPLE_RATE, np.float32), sound]), media.FORMS[12])
    got, _, _ = decode(film)
    assert abs(len(got) - len(sound) - SAMPLE_RATE) < 0.15 * SAMPLE_RATE


def test_the_limit_bites_while_decoding_even_when_the_header_lies() -> None:
    data = bytearray(media.wav(np.zeros(20 * SAMPLE_RATE, np.float32)))
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    decoded = AvDecoder().open(AudioSource(io.BytesIO(data), len(data)), AudioLimits(60.0))
    decoded.close()
    with pytest.raises(TooLong) as error:
        decode(bytes(data), AudioLimits(5.0))
    assert "5 s" in error.value.message


def test_streamed_formats_without_a_length_are_limited_too() -> None:
    data = media.encode(np.zeros(20 * SAMPLE_RATE, np.float32), media.Form("adts", "aac"))
    with pytest.raises(TooLong):
        decode(data, AudioLimits(5.0))


@pytest.mark.parametrize(
    "form",
    [media.Form("wav", "pcm_s16le"), media.Form("flac", "flac"), media.Form("mp3", "libmp3lame")],
    ids=lambda f: f.name,
)
def test_a_truncated_file_gives_its_beginning_and_a_notice(form: media.Form) -> None:
    sound = media.samples("en_sentences")
    data = media.encode(sound, form)
    got, notices, _ = decode(data[: len(data) // 2])
    assert 0.3 * len(sound) < len(got) < 0.8 * len(sound)
    assert "truncated_audio" in {n.code for n in notices}


def test_a_hole_of_damage_is_passed_over() -> None:
    data = bytearray(media.encode(media.samples("en_sentences"), media.Form("mp3", "libmp3lame")))
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    got, _, _ = decode(bytes(data))
    assert len(got) > 8 * SAMPLE_RATE


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", EmptyAudio),
        (b"hello, I am a text file\n" * 50, UndecodableAudio),
        (bytes(range(256)) * 20, UndecodableAudio),
        (b"RIFF\x00\x00\x00\x00WAVE", UndecodableAudio),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00", UndecodableAudio),
        (b"\x00" * 4096, UndecodableAudio),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n", UndecodableAudio),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", UndecodableAudio),
        (_empty_wav(), EmptyAudio),
    ],
    ids=[
        "no bytes",
        "text",
        "noise",
        "riff only",
        "id3 only",
        "zeros",
        "m3u8",
        "concat",
        "no sound",
    ],
)
def test_what_is_no_sound_is_refused_plainly(data: bytes, kind: type[AsrError]) -> None:
    with pytest.raises(kind) as error:
        decode(data)
    assert error.value.param == "file"


def test_a_film_without_sound_is_refused() -> None:
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        for _ in range(10):
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    with pytest.raises(UndecodableAudio) as error:
        decode(buffer.getvalue())
    assert "no sound track" in error.value.message


def test_wild_floats_become_decent() -> None:
    sound = np.array([np.nan, np.inf, -np.inf, 5.0, -5.0, 0.5] * 4000, np.float32)
    header = media.encode(np.zeros(len(sound), np.float32), media.Form("wav", "pcm_f32le"))
    at = header.index(b"data") + 8
    got, _, _ = decode(header[:at] + sound.tobytes())
    assert np.isfinite(got).all()
    assert np.abs(got).max() <= 1.0


def test_riff_lengths() -> None:
    whole = media.wav(np.zeros(SAMPLE_RATE, np.float32))
    assert declared_seconds(io.BytesIO(whole), len(whole)) is None
    half = whole[: len(whole) // 2]
    assert declared_seconds(io.BytesIO(half), len(half)) == pytest.approx(1.0)
    assert declared_seconds(io.BytesIO(b"OggS" * 10), 40) is None
