"""Sounds without speech, made from a seed: what a recognizer must answer with nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from zhiyin.domain.audio import SAMPLE_RATE, Samples

_Array = np.ndarray[tuple[int], np.dtype[np.float64]]


def _times(seconds: float) -> _Array:
    return np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def _level(sound: _Array, dbfs: float) -> Samples:
    """Scaled to a root mean square of `dbfs`."""
    rms = float(np.sqrt(np.mean(np.square(sound)))) or 1.0
    return np.clip(sound * 10 ** (dbfs / 20) / rms, -1, 1).astype(np.float32)


def _coloured(seconds: float, slope: float, seed: int) -> _Array:
    """Noise whose power falls with frequency ** slope: 0 white, 1 pink, 2 brown."""
    count = int(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    frequencies = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 20.0)
    return np.fft.irfft(spectrum / frequencies ** (slope / 2), count)


def _harmonics(hertz: float, t: _Array, strengths: Mapping[int, float]) -> _Array:
    wave = np.zeros_like(t)
    for k, strength in strengths.items():
        wave += strength * np.sin(2 * np.pi * hertz * k * t)
    return wave


def zero(seconds: float, _seed: int) -> Samples:
    """Digital silence."""
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def white(seconds: float, seed: int) -> Samples:
    return _level(_coloured(seconds, 0, seed), -20 - 10 * (seed % 4))


def pink(seconds: float, seed: int) -> Samples:
    return _level(_coloured(seconds, 1, seed), -20 - 10 * (seed % 4))


def brown(seconds: float, seed: int) -> Samples:
    return _level(_coloured(seconds, 2, seed), -20 - 10 * (seed % 4))


def hum(seconds: float, seed: int) -> Samples:
    """Mains: 50 or 60 Hz with harmonics."""
    t, base = _times(seconds), (50, 60)[seed % 2]
    return _level(_harmonics(base, t, {1: 1, 2: 1 / 2, 3: 1 / 3, 5: 1 / 5, 7: 1 / 7}), -25)


def clicks(seconds: float, seed: int) -> Samples:
    """A keyboard: short decaying bursts at random moments."""
    draw = np.random.default_rng(seed)
    sound = draw.normal(0, 1e-4, int(seconds * SAMPLE_RATE))
    for at in draw.uniform(0, max(0.1, seconds - 0.05), int(4 * seconds) + 1):
        burst = draw.normal(0, 0.3, 400) * np.exp(-np.arange(400) / 60)
        begin = int(at * SAMPLE_RATE)
        sound[begin : begin + 400] += burst[: len(sound) - begin]
    return np.clip(sound, -1, 1).astype(np.float32)


def tones(seconds: float, seed: int) -> Samples:
    """Music-like: a chord of plucked notes every half second."""
    draw = np.random.default_rng(seed)
    t, sound = _times(seconds), np.zeros(int(seconds * SAMPLE_RATE))
    scale = 220 * 2 ** (np.array([0, 2, 4, 7, 9, 12, 14, 16]) / 12)
    for begin in np.arange(0, seconds, 0.5):
        since = np.maximum(t - begin, 0)
        envelope = np.exp(-3 * since) * np.minimum(since * 100, 1) * (t >= begin)
        for note in draw.choice(scale, 3, replace=False):
            sound += envelope * _harmonics(note, t, {1: 1, 2: 1 / 4, 3: 1 / 9})
    return _level(sound, -20)


def breath(seconds: float, seed: int) -> Samples:
    """Band-passed noise that swells and falls every three seconds."""
    count = int(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    frequencies = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    band = np.exp(-(((frequencies - 1200) / 900) ** 2))
    swell = np.maximum(np.sin(2 * np.pi * _times(seconds) / 3), 0) ** 2
    return _level(np.fft.irfft(spectrum * band, count) * swell, -30)


NOISES: Mapping[str, Callable[[float, int], Samples]] = {
    made.__name__: made for made in (zero, white, pink, brown, hum, clicks, tones, breath)
}
