"""Containers and codecs: what docs/api.md says is read, and nothing else."""

from __future__ import annotations

import io
import struct

import av
import numpy as np
import pytest

from tests.support import media
from tests.support.media import Form
from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.formats import DECODERS, DEMUXERS, open_container
from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits
from zhiyin.domain.errors import UndecodableAudio
from zhiyin.domain.source import AudioSource

SOUND = media.samples("en_short")
STRICT = (("strict", "experimental"),)
RATE_64K = (("b", "64000"),)

FORMS = [
    *media.FORMS,
    *(Form("wav", f"pcm_{sample}") for sample in ("s32le", "s64le", "f64le")),
    *(Form("wav", f"adpcm_{kind}") for kind in ("ms", "ima_wav", "yamaha")),
    Form("wav", "pcm_alaw", 8_000),
    Form("wav", "g726", 8_000),
    Form("wav", "g722"),
    Form("wav", "g723_1", 8_000, options=(("b", "6300"),)),
    Form("wav", "libmp3lame", 44_100),
    Form("w64", "pcm_s16le"),
    *(Form("aiff", f"pcm_{sample}") for sample in ("s24be", "s32be", "f32be", "f64be")),
    Form("aiff", "adpcm_ima_qt"),
    *(Form("au", f"pcm_{sample}") for sample in ("s16be", "mulaw", "f64be")),
    Form("au", "g726le", 8_000),
    *(Form("caf", codec) for codec in ("pcm_s16le", "pcm_f32be", "alac")),
    Form("voc", "pcm_u8"),
    Form("voc", "pcm_s16le"),
    Form("tta", "tta"),
    Form("wv", "wavpack", 48_000, "5.1"),
    Form("wv", "wavpack", 48_000, "22.2"),
    Form("ogg", "flac"),
    Form("ogg", "vorbis", 48_000, "stereo", options=STRICT),
    Form("mp2", "mp2"),
    Form("latm", "aac"),
    Form("adts", "aac", 48_000, "7.1"),
    Form("ac3", "ac3", 48_000, "5.1"),
    Form("eac3", "eac3", 48_000),
    *(Form("mov", codec) for codec in ("pcm_s16be", "alac", "adpcm_ima_qt")),
    *(Form("mp4", codec, 48_000) for codec in ("ac3", "libopus", "libmp3lame", "flac")),
    Form("3gp", "aac"),
    Form("3gp", "libopencore_amrnb", 8_000),
    *(Form("matroska", f"pcm_{sample}") for sample in ("s16le", "f32le")),
    *(Form("matroska", codec, 48_000) for codec in ("flac", "aac", "libmp3lame", "ac3", "wavpack")),
    Form("webm", "vorbis", 48_000, "stereo", options=STRICT),
    *(Form("avi", codec, 48_000) for codec in ("libmp3lame", "pcm_s16le", "mp2", "ac3")),
    *(Form("asf", codec, 44_100, options=RATE_64K) for codec in ("wmav1", "wmav2", "libmp3lame")),
    *(Form("flv", codec, 44_100) for codec in ("libmp3lame", "aac", "pcm_s16le")),
    *(Form("flv", codec, 22_050) for codec in ("nellymoser", "adpcm_swf")),
    *(Form("dvd", codec, 48_000) for codec in ("mp2", "ac3", "pcm_dvd")),
    *(Form("mpegts", codec, 48_000) for codec in ("mp2", "ac3", "eac3", "libopus")),
    *(Form("nut", f"pcm_{sample}") for sample in ("s8_planar", "s16le_planar", "u16le", "u24be")),
]


def read(data: bytes, max_seconds: float = 60.0) -> media.Samples:
    decoded = AvDecoder().open(AudioSource(io.BytesIO(data), len(data)), AudioLimits(max_seconds))
    try:
        return np.concatenate(list(decoded.blocks()))
    finally:
        decoded.close()


def track_of(data: bytes) -> tuple[str, str]:
    """Demuxer and decoder."""
    with open_container(io.BytesIO(data)) as container:
        codec = container.streams.audio[0].codec_context.codec.name
        return container.format.name.partition(",")[0], codec


def loudness(sound: media.Samples) -> media.Samples:
    usable = sound[: len(sound) // 1600 * 1600].reshape(-1, 1600)
    return np.asarray(np.sqrt((usable**2).mean(axis=1)), np.float32)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_each_is_read(form: Form) -> None:
    got = read(media.encode(SOUND, form))
    assert abs(len(got) - len(SOUND)) < 0.2 * SAMPLE_RATE
    size = min(len(got), len(SOUND))
    assert np.corrcoef(loudness(got[:size]), loudness(SOUND[:size]))[0, 1] > 0.7


def test_minutes_in_one_packet() -> None:
    """As a program writes them that hands all its samples to the encoder at once."""
    sound = np.tile(SOUND, 120)
    decoded = read(media.encode(sound, Form("nut", "pcm_s16le")), 300.0)
    assert abs(len(decoded) - len(sound)) < 100


def sphere(sound: media.Samples) -> bytes:
    """NIST SPHERE, as speech corpora have it."""
    lines = ["NIST_1A", "   1024", "channel_count -i 1", "sample_rate -i 16000"]
    lines += ["sample_n_bytes -i 2", "sample_byte_format -s2 01", "sample_coding -s3 pcm"]
    lines += [f"sample_count -i {len(sound)}", "end_head", ""]
    return "\n".join(lines).encode().ljust(1024) + (sound * 32767).astype("<i2").tobytes()


def wave(tag: int, block: int, data: bytes, samples: int) -> bytes:
    """A WAV file of a codec for telephones at 8 kHz."""
    form = struct.pack("<HHIIHHHH", tag, 1, 8000, 1625, block, 0, 2, samples)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_recordings_of_corpora() -> None:
    assert np.allclose(read(sphere(SOUND)), SOUND, atol=1e-3)


@pytest.mark.parametrize(
    ("data", "seconds", "expected"),
    [
        ((b"\xd8" + bytes(32)) * 100, 2.0, ("gsm", "gsm")),
        (wave(0x31, 65, bytes(65 * 50), 320), 2.0, ("wav", "gsm_ms")),
        (b"#!AMR-WB\n" + b"\x7c" * 100, 2.0, ("amr", "amrwb")),
    ],
    ids=["gsm", "wav49", "amr-wb"],
)
def test_silence_of_telephones(data: bytes, seconds: float, expected: tuple[str, str]) -> None:
    """Of codecs without an encoder here."""
    assert track_of(data) == expected
    assert len(read(data)) / SAMPLE_RATE == pytest.approx(seconds, abs=0.1)


def test_nothing_is_in_the_lists_that_nobody_tried() -> None:
    tried = {track_of(media.encode(SOUND, form)) for form in FORMS}
    demuxers = {demuxer for demuxer, _ in tried} | {"nistsphere", "gsm"}
    decoders = {decoder for _, decoder in tried} | {"gsm", "gsm_ms", "amrwb"}
    no_muxer = {"mxf", "dts"}
    assert set(DEMUXERS) == demuxers | no_muxer
    no_encoder = {"dca", "mlp", "truehd", "speex", "wmapro", "wmalossless", "wmavoice"}
    missing = set(DECODERS) - decoders - no_encoder
    assert {name for name in missing if not name.startswith(("pcm_", "mp2", "mp3"))} == set()


@pytest.mark.parametrize(
    "form",
    [
        Form("wtv", "mp2", 44_100),
        Form("adx", "adpcm_adx"),
        Form("ast", "pcm_s16be_planar"),
        Form("mmf", "adpcm_yamaha", 22_050),
        Form("rm", "ac3", 44_100),
        Form("swf", "libmp3lame", 44_100),
        Form("sox", "pcm_s32le"),
    ],
    ids=lambda form: form.name,
)
def test_others_are_refused(form: Form) -> None:
    data = media.encode(SOUND, form)
    with pytest.raises(UndecodableAudio):
        read(data)


def test_pictures_have_no_decoder() -> None:
    video = {name for name in DECODERS if av.Codec(name, "r").type != "audio"}
    assert video == set()
