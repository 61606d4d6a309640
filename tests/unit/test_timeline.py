"""Times of segments are those of a player: holes in the sound are silence, clocks may jump."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from tests.support import media
from tests.support.decoding import decoded
from tests.support.muxing import Track, muxed
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.audio.timeline import Timeline
from zhiyin.domain.audio import SAMPLE_RATE
from zhiyin.domain.errors import TooLong
from zhiyin.domain.live import AudioFormat, Encoding

SOUND = media.samples("en_short")
LENGTH_S = len(SOUND) / SAMPLE_RATE
(BEGIN_S,) = decoded(media.wav(SOUND)).onsets()
KINDS = [
    ("matroska", "libopus", 48_000),
    ("webm", "libopus", 48_000),
    ("mp4", "aac", 48_000),
    ("ogg", "libopus", 48_000),
    ("flv", "aac", 44_100),
    ("mpegts", "aac", 48_000),
    ("mpeg", "mp2", 48_000),
    ("asf", "libmp3lame", 44_100),
]
FILMS = [kind for kind in KINDS if kind[0] not in ("webm", "ogg", "flv")]


@pytest.mark.parametrize(("container", "codec", "rate"), KINDS)
def test_a_hole_is_silence(container: str, codec: str, rate: int) -> None:
    found = decoded(muxed(container, [Track([(0, SOUND), (20, SOUND)], codec, rate)]))
    assert found.onsets() == pytest.approx([BEGIN_S, 20 + BEGIN_S], abs=0.15)
    assert found.duration is None or found.duration == pytest.approx(20 + LENGTH_S, abs=0.2)
    assert found.notices == set()


@pytest.mark.parametrize(("container", "codec", "rate"), FILMS)
def test_sound_may_begin_long_after_the_pictures(container: str, codec: str, rate: int) -> None:
    found = decoded(muxed(container, [Track([(75, SOUND)], codec, rate)], film_s=78))
    assert found.onsets() == pytest.approx([75 + BEGIN_S], abs=0.15)
    assert found.notices == set()


@pytest.mark.parametrize(("container", "codec", "rate"), KINDS)
@pytest.mark.parametrize("begin", [75.0, 7300.0])
def test_a_clock_need_not_begin_at_zero(
    container: str, codec: str, rate: int, begin: float
) -> None:
    found = decoded(muxed(container, [Track([(begin, SOUND)], codec, rate)]))
    assert found.onsets() == pytest.approx([BEGIN_S], abs=0.15)
    assert found.duration is None or found.duration == pytest.approx(LENGTH_S, abs=0.2)
    assert found.notices == set()


@pytest.mark.parametrize(("container", "codec", "rate"), KINDS)
def test_a_clock_that_jumps_is_no_hole(container: str, codec: str, rate: int) -> None:
    found = decoded(muxed(container, [Track([(0, SOUND), (36_000, SOUND)], codec, rate)]))
    assert found.seconds == pytest.approx(2 * LENGTH_S, abs=0.3)
    assert found.duration is None
    assert found.notices == set()


@pytest.mark.parametrize("begins", [(0, 36_000), (36_000, 0), (100, 100), (1000, 900)])
def test_joined_broadcasts(begins: tuple[int, int]) -> None:
    files = [muxed("mpegts", [Track([(begin, SOUND)], "aac")]) for begin in begins]
    found = decoded(b"".join(files))
    assert found.seconds == pytest.approx(2 * LENGTH_S, abs=0.4)
    assert found.notices == set()


def test_the_silence_counts_before_it_is_made() -> None:
    data = muxed("mpegts", [Track([(0, SOUND), (500, SOUND)], "aac")])
    with pytest.raises(TooLong):
        decoded(data, max_seconds=400)
    assert decoded(data, max_seconds=600).seconds == pytest.approx(500 + LENGTH_S, abs=0.3)


@pytest.mark.parametrize("encoding", ["webm", "ogg"])
def test_holes_of_a_live_stream_are_silence(encoding: Encoding) -> None:
    """A browser that sends nothing while nobody speaks (DTX), or has lost something."""
    sound = AvLiveDecoder().open(AudioFormat(encoding, 0))
    data = muxed(encoding, [Track([(5, SOUND), (25, SOUND), (90_000, SOUND)])])
    samples = len(sound.push(data))
    while sound.pending:
        samples += len(sound.push(b""))
    samples += len(sound.finish())
    sound.close()
    assert samples / SAMPLE_RATE == pytest.approx(20 + 2 * LENGTH_S, abs=0.4)


def frame(time: float | None, seconds: float = 0.02) -> av.AudioFrame:
    made = av.AudioFrame.from_ndarray(
        np.zeros((1, round(48_000 * seconds)), np.int16), "s16", "mono"
    )
    made.sample_rate, made.time_base = 48_000, Fraction(1, 1000)
    made.pts = None if time is None else round(1000 * time)
    return made


def placed(times: list[float | None], start: float | None = 0.0) -> float:
    """Seconds of silence among frames of 20 ms."""
    timeline = Timeline(start, 3600.0)
    frames = [frame(time) for time in times]
    after = [*frames[1:], None]
    return sum(timeline.gap(f, 0.02, a) for f, a in zip(frames, after, strict=True))


def test_jitter_is_no_hole() -> None:
    chance = np.random.default_rng(1)
    steady = np.arange(500) * 0.02
    assert placed([float(t) for t in steady + chance.uniform(0, 0.04, 500)]) == 0
    assert placed([float(t) for t in steady * 1.0005]) == 0


def test_many_small_holes_add_up() -> None:
    times = np.arange(500) * 0.02 + np.arange(500) // 50 * 0.1
    assert placed([float(t) for t in times]) == pytest.approx(0.9, abs=0.3)


def test_one_wrong_time_is_passed_over() -> None:
    assert placed([0.0, 0.02, 55.0, 0.06, 0.08, None, None, 0.14]) == 0
    assert placed([50.0, 0.02, 0.04]) == 0


def test_without_times_nothing_is_placed() -> None:
    assert placed([None, None, None], None) == 0
