"""Recordings that are wrong in every way that a seed leads to. Pure: a number gives one case."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tests.support import media
from tests.support.hostile import LONGEST, flac, flac_frame, packed, png, with_cover

_MAX_BYTES = 4 << 20
_HEAD = 2048
_EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)

Mutation = Callable[[random.Random, bytearray], None]


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent: `name` says how it was made, `live` the encoding of a live stream, if it is."""

    number: int
    name: str
    data: bytes
    live: str


def case(seed: int, number: int) -> Case:
    """The case of that number; the same again for the same seed."""
    draw = random.Random(f"{seed}:{number}")
    live = draw.choice(["webm", "ogg", "s16le", "f32le", "mulaw"]) if draw.random() < 0.3 else ""
    if live in ("webm", "ogg") and draw.random() < 0.6:
        name, data = f"recorded {live}", media.recorded(_sound(draw, 3.0), live)
    else:
        name, data = _whole(draw)
    made = bytearray(data)
    for _ in range(draw.choice([0, 1, 1, 2, 3, 5])):
        mutation = draw.choice(_MUTATIONS)
        name += f", {mutation.__name__.strip('_')}"
        if made:
            mutation(draw, made)
        del made[_MAX_BYTES:]
    return Case(number, name, bytes(made), live)


def _whole(draw: random.Random) -> tuple[str, bytes]:
    """A file that is well formed, more or less."""
    kind = draw.random()
    if kind < 0.25:
        return _hostile(draw)
    form = draw.choice(media.FORMS)
    longest = 1200.0 if form.codec == "flac" and kind > 0.95 else 4.0
    return form.name, media.encode(_sound(draw, longest), form)


def _hostile(draw: random.Random) -> tuple[str, bytes]:
    rate = draw.choice([1, 15, 100, 3999, 4000, 8000, 44_100, 192_000, 384_000, 655_350])
    channels = draw.randint(1, 8)
    samples = draw.choice([1, 16, 4096, LONGEST])
    total = draw.choice([0, 0, samples, 1 << 35])
    frames = [flac_frame(n, rate, channels, samples) for n in range(draw.choice([1, 2, 50]))]
    whole = flac(frames, rate, channels, total)
    way = draw.randrange(3)
    if way == 0:
        return f"flac {rate} Hz x {channels}", whole
    if way == 1:
        return "flac with a cover", with_cover(whole, png(draw.choice([1, 500, 2000])))
    container = draw.choice(["ogg", "matroska"])
    template = flac([flac_frame(0, 48_000)], 48_000)
    joined = [b"".join(frames)] if draw.random() < 0.3 else frames
    return f"flac {rate} Hz in {container}", packed(joined, container, template)


def _sound(draw: random.Random, longest_s: float) -> media.Samples:
    size = round(draw.uniform(0.02, longest_s) * media.RATE)
    noise = np.random.default_rng(draw.getrandbits(32))
    kinds: tuple[Callable[[], media.Samples], ...] = (
        lambda: np.zeros(size, np.float32),
        lambda: np.full(size, draw.random(), np.float32),
        lambda: noise.uniform(-1, 1, size).astype(np.float32),
        lambda: np.resize(media.samples("en_short"), size),
    )
    return draw.choice(kinds)()


def _bits(draw: random.Random, data: bytearray) -> None:
    for _ in range(draw.choice([1, 4, 32])):
        data[draw.randrange(min(_HEAD, len(data)))] ^= 1 << draw.randrange(8)


def _bytes_anywhere(draw: random.Random, data: bytearray) -> None:
    for _ in range(draw.choice([1, 10, 200])):
        data[draw.randrange(len(data))] = draw.randrange(256)


def _number(draw: random.Random, data: bytearray) -> None:
    """A field of the head becomes a number at the end of its range: sizes, rates, channels."""
    width = draw.choice([1, 2, 4, 8])
    at = draw.randrange(min(_HEAD, len(data)))
    value = draw.choice(_EXTREMES) & ((1 << 8 * width) - 1)
    data[at : at + width] = value.to_bytes(width, draw.choice(["little", "big"]))


def _cut(draw: random.Random, data: bytearray) -> None:
    del data[draw.randrange(len(data)) :]


def _hole(draw: random.Random, data: bytearray) -> None:
    at = draw.randrange(len(data))
    del data[at : at + draw.choice([1, 7, 512, 10_000])]


def _again(draw: random.Random, data: bytearray) -> None:
    at, size = draw.randrange(len(data)), draw.choice([16, 1000, 60_000])
    data[at:at] = data[at : at + size] * draw.choice([1, 3, 50])


def _nothing(draw: random.Random, data: bytearray) -> None:
    at, size = draw.randrange(len(data)), draw.choice([4, 100, 5000])
    data[at : at + size] = bytes(len(data[at : at + size]))


def _noise(draw: random.Random, data: bytearray) -> None:
    at = draw.randrange(len(data))
    data[at:at] = draw.randbytes(draw.choice([1, 100, 10_000]))


def _another_behind(draw: random.Random, data: bytearray) -> None:
    data += _whole(draw)[1]


def _another_inside(draw: random.Random, data: bytearray) -> None:
    at = draw.randrange(len(data))
    data[at:at] = _whole(draw)[1]


_MUTATIONS: tuple[Mutation, ...] = (
    _bits, _bytes_anywhere, _number, _number, _cut, _hole, _again, _nothing, _noise,
    _another_behind, _another_inside,
)  # fmt: skip
