"""Channels become one, and nobody is lost."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout

from tests.support import media
from tests.support.decoding import decoded
from zhiyin.audio.downmix import Downmix
from zhiyin.domain.audio import SAMPLE_RATE

SOUND = media.samples("en_short") * np.float32(0.7)
NOISE = np.random.default_rng(3).normal(0, 0.001, (64, len(SOUND))).astype(np.float32)


def tracks_of(channels: list[media.Samples]) -> bytes:
    """A WAV file without a layout, as recorders of many tracks write it."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.stack(channels, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def likeness(got: media.Samples) -> float:
    """Correlation with the speech, whatever the sign."""
    return abs(float(np.corrcoef(got[: len(SOUND)], SOUND)[0, 1]))


def level(got: media.Samples) -> float:
    """Loudness over that of the speech."""
    return float(np.sqrt((got**2).mean() / (SOUND**2).mean()))


@pytest.mark.parametrize("factor", [-1.0, -0.9, -0.7])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_sides_that_cancel_each_other(factor: float, noise: float) -> None:
    left = SOUND + noise * NOISE[0]
    got = decoded(tracks_of([left, factor * SOUND + noise * NOISE[1]])).samples
    assert likeness(got) > 0.98
    assert level(got) > 0.5


def test_a_side_that_is_turned_in_the_middle() -> None:
    speech = np.tile(SOUND, 4)
    right = np.concatenate([np.tile(SOUND, 2), np.tile(-SOUND, 2)])
    got = decoded(tracks_of([speech, right])).samples
    for at in range(0, len(got) - 100, len(SOUND)):
        assert likeness(got[at : at + len(SOUND)]) > 0.8


@pytest.mark.parametrize("count", [2, 3, 4, 6, 9, 11, 15, 16, 64])
def test_one_of_many_tracks_speaks(count: int) -> None:
    for speaker in {min(3, count - 1), count - 1}:
        channels = [NOISE[i] * 0.2 for i in range(count)]
        channels[speaker] = SOUND
        got = decoded(tracks_of(channels)).samples
        assert likeness(got) > 0.98
        assert level(got) == pytest.approx(count**-0.5, rel=0.2)


def test_two_tracks_speak_at_once() -> None:
    other = np.roll(SOUND, 9000)
    silent = np.zeros_like(SOUND)
    got = decoded(tracks_of([silent, SOUND, silent, silent, other, silent])).samples
    assert likeness(got) > 0.6
    assert likeness(np.roll(got, -9000)) > 0.6


@pytest.mark.parametrize("layout", ["stereo", "2.1", "4.0", "5.1", "7.1", "5.1.2", "7.1.4"])
def test_every_loudspeaker_is_heard(layout: str) -> None:
    """That of the bass too, when it has more than bass: programs lay six tracks out as 5.1."""
    for speaker in range(AudioLayout(layout).nb_channels):
        got = mixed(layout, {speaker: SOUND})
        assert likeness(got) > 0.98, f"{layout} {speaker}"
        assert level(got) > 0.4


def test_the_bass_is_left_out() -> None:
    bass = 0.9 * np.sin(2 * np.pi * 40 * np.arange(len(SOUND)) / SAMPLE_RATE).astype(np.float32)
    got = mixed("5.1", {2: SOUND, 3: bass})
    assert likeness(got) > 0.99


def test_loud_sides_are_turned_down_not_clipped() -> None:
    loud = SOUND / np.abs(SOUND).max()
    got = mixed("stereo", {0: loud, 1: loud})
    assert np.abs(got).max() <= 1.0
    assert likeness(got) > 0.95


def mixed(layout: str, channels: dict[int, media.Samples]) -> media.Samples:
    """Through the downmix in frames of 20 ms."""
    sound = np.zeros((len(SOUND), AudioLayout(layout).nb_channels), np.float32)
    for channel, samples in channels.items():
        sound[:, channel] = samples
    downmix, parts = Downmix(), []
    for at in range(0, len(SOUND), 320):
        packed = np.ascontiguousarray(sound[at : at + 320]).reshape(1, -1)
        frame = AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate = SAMPLE_RATE
        parts.append(downmix.mixed(frame).to_ndarray().reshape(-1))
    return np.concatenate(parts)
