"""Sound for tests: recordings with their text, and the same sound in any container and codec."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

EXACT = {"fflags": "+bitexact"}
"""Of muxers: the same bytes again, without random serial numbers."""

AUDIO = Path(__file__).parents[1] / "audio"
RATE = 16_000

Samples = NDArray[np.float32]


def path(name: str) -> Path:
    """A recording of tests/audio, with or without its suffix."""
    return next(p for p in sorted(AUDIO.glob(f"{Path(name).stem}.*")) if p.suffix != ".py")


def reference(name: str) -> str:
    """What is said in it."""
    with (AUDIO / "manifest.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return next(r["reference"] for r in rows if Path(r["file"]).stem == Path(name).stem)


def samples(name: str) -> Samples:
    """The recording as float32[n], 16 kHz mono."""
    resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
    parts: list[NDArray[Any]] = []
    with av.open(str(path(name))) as container:
        for frame in container.decode(audio=0):
            parts += [f.to_ndarray().reshape(-1) for f in resampler.resample(frame)]
        parts += [f.to_ndarray().reshape(-1) for f in resampler.resample(None)]
    return np.concatenate(parts).astype(np.float32)


@dataclass(frozen=True)
class Form:
    """A way to store sound."""

    container: str
    codec: str
    rate: int = RATE
    layout: str = "mono"
    video: bool = False
    options: tuple[tuple[str, str], ...] = ()
    """Of the encoder."""

    @property
    def name(self) -> str:
        """For test ids."""
        film = "-video" if self.video else ""
        return f"{self.container}-{self.codec}-{self.rate}-{self.layout}{film}"


FORMS = [
    Form("wav", "pcm_u8"),
    Form("wav", "pcm_s16le"),
    Form("wav", "pcm_s24le", 44_100, "stereo"),
    Form("wav", "pcm_f32le", 96_000),
    Form("wav", "pcm_mulaw", 8_000),
    Form("mp3", "libmp3lame", 22_050),
    Form("flac", "flac", 48_000, "stereo"),
    Form("ogg", "libopus", 48_000),
    Form("webm", "libopus", 48_000),
    Form("ipod", "aac", 44_100, "stereo"),
    Form("adts", "aac", 16_000),
    Form("amr", "libopencore_amrnb", 8_000),
    Form("mp4", "aac", 48_000, "stereo", video=True),
    Form("matroska", "libopus", 48_000, video=True),
    Form("mpegts", "aac", 44_100),
    Form("aiff", "pcm_s16be", 32_000),
]


def encode(sound: Samples, form: Form) -> bytes:
    """A file with that sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form.container, options=dict(EXACT)) as container:
        stream = container.add_stream(form.codec, rate=form.rate, options=dict(form.options))
        assert isinstance(stream, av.AudioStream)
        stream.layout = form.layout
        film = container.add_stream("mpeg4", rate=10) if form.video else None
        if isinstance(film, av.VideoStream):
            film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
            picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            for _ in range(int(len(sound) / RATE * 10)):
                container.mux(film.encode(picture))
            container.mux(film.encode(None))
        _encode_sound(container, stream, sound)
    return buffer.getvalue()


class _Socket:
    """A place that can only be written to, at its end."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += bytes(data)
        return len(data)


def recorded(sound: Samples, container: str) -> bytes:
    """Opus in webm or ogg as a MediaRecorder makes it: never goes back, knows no length."""
    options = {"webm": {"live": "1"}, "ogg": {"page_duration": "100000"}}[container] | EXACT
    socket = _Socket()
    with av.open(socket, "w", format=container, options=options) as made:
        stream = made.add_stream("libopus", rate=48_000)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        _encode_sound(made, stream, sound)
    return bytes(socket.data)


def raw(sound: Samples, codec: str, rate: int) -> bytes:
    """Samples without a container."""
    return encode(sound, Form(codec.removeprefix("pcm_"), codec, rate))


def _encode_sound(
    container: av.container.OutputContainer, stream: av.AudioStream, sound: Samples
) -> None:
    resampler = AudioResampler(
        format=stream.format.name, layout=stream.layout.name, rate=stream.rate,
        frame_size=stream.codec_context.frame_size or 0,
    )  # fmt: skip
    frame = av.AudioFrame.from_ndarray(
        (np.clip(sound, -1, 1) * 32767).astype(np.int16).reshape(1, -1), format="s16", layout="mono"
    )
    frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
    for out in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(out))
    container.mux(stream.encode(None))


def wav(sound: Samples) -> bytes:
    """16-bit WAV."""
    return encode(sound, Form("wav", "pcm_s16le"))


def units(text: str) -> list[str]:
    """Words, or single characters in Chinese: lower case, no punctuation."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("'", "")
    return re.findall(r"[a-z0-9]+|[\u3400-\u9fff]", plain)


def heard(expected: str, got: str) -> float:
    """Share of the expected words (characters) that were heard, in any script variant."""
    import opencc

    simplify = opencc.OpenCC("t2s").convert
    wanted, found = units(simplify(expected)), set(units(simplify(got)))
    return sum(u in found for u in wanted) / len(wanted)


def seconds(name: str) -> float:
    """Length of a recording."""
    return len(samples(name)) / RATE
