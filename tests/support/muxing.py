"""Files of several tracks, whose sound comes when one says; with a film beside it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.stream import Disposition

from tests.support.media import RATE, Samples


@dataclass(frozen=True)
class Track:
    """Sound that begins at those seconds of the container's clock."""

    parts: Sequence[tuple[float, Samples]]
    codec: str = "libopus"
    rate: int = 48_000
    default: bool | None = None


def muxed(container: str, tracks: Sequence[Track], *, film_s: float = 0.0) -> bytes:
    """A file of them; with `film_s` seconds of a black film from 0 on."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as made:
        streams = []
        for track in tracks:
            stream = made.add_stream(track.codec, rate=track.rate)
            assert isinstance(stream, av.AudioStream)
            stream.layout = "mono"
            if track.default is not None:
                stream.disposition = Disposition.default if track.default else Disposition(0)
            streams.append(stream)
        packets = list(_film(made, film_s)) if film_s else []
        for stream, track in zip(streams, tracks, strict=True):
            packets += _sound(stream, track)
        for packet in sorted(packets, key=lambda p: float((p.dts or 0) * p.time_base)):
            made.mux(packet)
    return buffer.getvalue()


def _sound(stream: av.AudioStream, track: Track) -> Iterator[av.Packet[Any]]:
    for begin, sound in track.parts:
        at = round(begin * track.rate)
        for frame in _frames(stream, sound, track.rate):
            frame.pts, frame.time_base = at, Fraction(1, track.rate)
            at += frame.samples
            yield from stream.encode(frame)
    yield from stream.encode(None)


def _frames(stream: av.AudioStream, sound: Samples, rate: int) -> Iterator[av.AudioFrame]:
    context = stream.codec_context
    if not context.is_open:
        context.open()
    size = context.frame_size or 1024
    pad = -round(len(sound) * rate / RATE) % size
    whole = np.concatenate([sound, np.zeros(round(pad * RATE / rate) + 1, np.float32)])
    resampler = AudioResampler(
        format=context.format.name, layout="mono", rate=rate, frame_size=size
    )
    frame = av.AudioFrame.from_ndarray(whole.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
    for made in [*resampler.resample(frame), *resampler.resample(None)]:
        if made.samples == size:
            yield made


def _film(made: av.container.OutputContainer, seconds: float) -> Iterator[av.Packet[Any]]:
    film = made.add_stream("mpeg4", rate=10)
    assert isinstance(film, av.VideoStream)
    film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
    picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
    for at in range(round(seconds * 10)):
        picture.pts, picture.time_base = at, Fraction(1, 10)
        yield from film.encode(picture)
    yield from film.encode(None)
