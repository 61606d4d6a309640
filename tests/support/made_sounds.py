"""Noises and music for tests, made of numbers: float32[n] at 16 kHz."""

from __future__ import annotations

import numpy as np

from zhiyin.domain.audio import SAMPLE_RATE, Samples


def chords(seconds: float) -> Samples:
    """Three voices with overtones, a new chord every half second."""
    chance = np.random.default_rng(7)  # of each call, so that no test's sound depends on others
    sound = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    beat = SAMPLE_RATE // 2
    for begin in range(0, len(sound), beat):
        t = np.arange(min(beat, len(sound) - begin)) / SAMPLE_RATE
        for pitch in chance.choice([220.0, 247, 262, 294, 330, 392, 440], 3, replace=False):
            for overtone in range(1, 6):
                wave = np.sin(2 * np.pi * pitch * overtone * t) / overtone
                sound[begin : begin + len(t)] += (0.05 * wave).astype(np.float32)
    return sound


def noise(seconds: float, level: float = 0.05) -> Samples:
    count = round(seconds * SAMPLE_RATE)
    return (level * np.random.default_rng(7).standard_normal(count)).astype(np.float32)


def clicks(seconds: float) -> Samples:
    """A keyboard, three keys a second."""
    chance, sound = np.random.default_rng(8), noise(seconds, 0.001)
    for begin in chance.integers(0, len(sound) - 800, round(3 * seconds)):
        decay = np.exp(-np.arange(800) / 100)
        sound[begin : begin + 800] += (0.3 * decay * chance.standard_normal(800)).astype(np.float32)
    return sound


def hum(seconds: float) -> Samples:
    """Of the mains, with overtones."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * 50 * k * t) for k in range(1, 12))
    return (0.02 * np.asarray(tones)).astype(np.float32) + noise(seconds, 0.003)


def brown(seconds: float) -> Samples:
    steps = np.cumsum(noise(seconds, 1.0))
    scaled: Samples = (0.3 * steps / np.abs(steps).max()).astype(np.float32)
    return scaled


def beeps(seconds: float) -> Samples:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tone = (0.3 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)
    pulses: Samples = tone * (t % 1 < 0.3).astype(np.float32)
    return pulses
