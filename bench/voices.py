"""Recordings by voice, in two halves of the voices, and the forms that each is spoken in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from bench.manifest import Recording
from zhiyin.domain.audio import SAMPLE_RATE, Samples

_COPIES = frozenset({"derived", "format-test", "digits", "broken"})
_SPEAKER = "spk:"
_NOISE_DB = 10.0
_QUIET_DB = -26.0
_ECHO_S = 0.5  # until the echo of a room is 60 dB down
_BLOCK = SAMPLE_RATE // 100
_APART_S = 1.5  # between pauses that are put in


def by_voice(recordings: Iterable[Recording], most: int) -> dict[str, list[Recording]]:
    """At most so many recordings of each voice; copies of a recording are left out."""
    found: dict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        if not recording.tags & _COPIES:
            found[_voice(recording)].append(recording)
    return {voice: own[:most] for voice, own in found.items()}


def halves(voices: Mapping[str, Sequence[Recording]]) -> dict[str, list[Recording]]:
    """The voices dealt out to "A" and "B", the most talkative first, back and forth."""
    dealt: dict[str, list[Recording]] = {"A": [], "B": []}
    ordered = sorted(voices, key=lambda v: (-sum(r.seconds for r in voices[v]), v))
    for half, voice in zip(cycle("ABBA"), ordered, strict=False):
        dealt[half] += voices[voice]
    return dealt


def _voice(recording: Recording) -> str:
    named = [tag for tag in recording.tags if tag.startswith(_SPEAKER)]
    return named[0] if named else recording.repo


def _speed(factor: float) -> Callable[[Samples, int], Samples]:
    """Faster or slower, with the pitch."""

    def changed(samples: Samples, seed: int) -> Samples:
        length = round(len(samples) / factor)
        spectrum = np.fft.rfft(samples)
        return _single(np.fft.irfft(spectrum, length) * (length / len(samples)))

    return changed


def _noisy(samples: Samples, seed: int) -> Samples:
    """Pink noise, 10 dB below the recording."""
    white = np.fft.rfft(np.random.default_rng(seed).normal(size=len(samples)))
    pink = np.fft.irfft(white / np.sqrt(np.arange(1, len(white) + 1)), len(samples))
    wanted = _rms(samples) * 10 ** (-_NOISE_DB / 20)
    return _single(samples + pink * (wanted / _rms(pink)))


def _telephone(samples: Samples, seed: int) -> Samples:
    """300 to 3400 Hz, in the 256 steps of G.711 mu-law."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    narrow = np.clip(np.fft.irfft(spectrum, len(samples)), -1, 1)
    bent = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    stepped = np.rint(bent * 127) / 127
    return _single(np.sign(stepped) * np.expm1(np.abs(stepped) * np.log(256)) / 255)


def _far(samples: Samples, seed: int) -> Samples:
    """From across a room: the direct sound, and an echo of noise that dies away."""
    count = int(_ECHO_S * SAMPLE_RATE)
    decay = 10 ** (-3 * np.arange(count) / count)
    echo = np.random.default_rng(seed).normal(size=count) * decay
    echo /= np.sqrt(np.sum(np.square(echo)))
    echo[0] += 1.0
    size = len(samples) + count
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)[: len(samples)]
    return _single(wet * (_rms(samples) / _rms(wet)))


def _hesitant(samples: Samples, seed: int) -> Samples:
    """Pauses of 0.3 to 0.8 s where the voice is at its lowest, 1.5 s and more apart."""
    chance = np.random.default_rng(seed)
    whole = len(samples) // _BLOCK * _BLOCK
    levels = np.sqrt(np.mean(np.square(samples[:whole].reshape(-1, _BLOCK)), axis=1))
    levels = np.convolve(levels, np.ones(5) / 5, mode="same")
    floor = float(np.quantile(levels, 0.03)) + 1e-5
    apart = int(_APART_S * 100)
    parts, at = [], 0
    for begin in range(apart, len(levels) - apart, apart):
        lowest = (begin + int(np.argmin(levels[begin : begin + apart]))) * _BLOCK
        parts += [samples[at:lowest], _rest(chance, floor, chance.uniform(0.3, 0.8))]
        at = lowest
    return _single(np.concatenate([*parts, samples[at:]]))


def _rest(chance: np.random.Generator, level: float, seconds: float) -> NDArray[np.float64]:
    return chance.normal(0, level, int(seconds * SAMPLE_RATE))


def _quiet(samples: Samples, seed: int) -> Samples:
    """26 dB below what it was."""
    return _single(samples * 10 ** (_QUIET_DB / 20))


FORMS: Mapping[str, Callable[[Samples, int], Samples]] = {
    "clean": lambda samples, seed: samples,
    "slow": _speed(0.9),
    "fast": _speed(1.1),
    "noise": _noisy,
    "telephone": _telephone,
    "far": _far,
    "pauses": _hesitant,
    "quiet": _quiet,
}
"""What is done to the sound of a recording; the number makes its noise, always the same."""


def seed_of(recording: Recording) -> int:
    """The number for a recording."""
    return int.from_bytes(sha256(recording.file.encode()).digest()[:4], "big")


def _rms(samples: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(samples)))) or 1e-9


def _single(samples: NDArray[np.floating]) -> Samples:
    return np.asarray(np.clip(samples, -1, 1), np.float32)
