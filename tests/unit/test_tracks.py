"""Several sound tracks: the default one, else the first that can be heard, or the one named."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support import media
from tests.support.decoding import decoded
from tests.support.muxing import Track, muxed
from zhiyin.domain.audio import SAMPLE_RATE
from zhiyin.domain.errors import InvalidRequest, UndecodableAudio

SOUND = media.samples("en_short")
LONGER = np.concatenate([SOUND, SOUND])
SILENT = np.zeros_like(SOUND)


def parts(sound: media.Samples) -> list[tuple[float, media.Samples]]:
    return [(0, sound)]


def heard(data: bytes, track: int | None = None) -> float:
    """Which one it was is known by its length; 0 when it is silent."""
    found = decoded(data, track=track)
    return found.seconds if np.abs(found.samples).max() > 0.05 else 0.0


SHORT_S = pytest.approx(len(SOUND) / SAMPLE_RATE, abs=0.2)
LONG_S = pytest.approx(len(LONGER) / SAMPLE_RATE, abs=0.2)
CONTAINERS = [("matroska", "libopus"), ("mp4", "aac"), ("mpegts", "aac")]


@pytest.mark.parametrize(("container", "codec"), CONTAINERS)
@pytest.mark.parametrize("film_s", [0.0, 3.0])
def test_a_silent_track_is_passed_over(container: str, codec: str, film_s: float) -> None:
    tracks = [Track(parts(SILENT), codec), Track(parts(LONGER), codec)]
    data = muxed(container, tracks, film_s=film_s)
    assert heard(data) == LONG_S
    assert heard(data, 1) == 0
    assert heard(data, 2) == LONG_S


@pytest.mark.parametrize(("container", "codec"), CONTAINERS)
def test_of_two_that_sound_it_is_the_first(container: str, codec: str) -> None:
    data = muxed(container, [Track(parts(SOUND), codec), Track(parts(LONGER), codec)])
    assert heard(data) == SHORT_S


def test_of_two_that_sound_it_is_the_default_one() -> None:
    tracks = [Track(parts(SOUND), default=False), Track(parts(LONGER), default=True)]
    data = muxed("matroska", tracks)
    assert heard(data) == LONG_S
    assert heard(data, 1) == SHORT_S


def test_a_silent_default_track_is_passed_over() -> None:
    tracks = [Track(parts(LONGER), default=False), Track(parts(SILENT), default=True)]
    assert heard(muxed("matroska", tracks)) == LONG_S


def test_all_silent_is_the_first() -> None:
    data = muxed("matroska", [Track(parts(SILENT)), Track(parts(np.zeros_like(LONGER)))])
    assert decoded(data).seconds == SHORT_S


def test_a_track_that_begins_quietly_is_still_the_first() -> None:
    late = np.concatenate([np.zeros(40 * SAMPLE_RATE, np.float32), SOUND])
    data = muxed("matroska", [Track(parts(late)), Track(parts(SILENT)), Track(parts(SILENT))])
    assert heard(data) > 40


def test_a_track_of_an_unknown_codec_is_passed_over() -> None:
    data = muxed("matroska", [Track(parts(SOUND), "aac"), Track(parts(LONGER))])
    data = data.replace(b"A_AAC", b"A_XXX", 1)
    assert heard(data) == LONG_S
    assert heard(data, 2) == LONG_S
    with pytest.raises(UndecodableAudio) as caught:
        decoded(data, track=1)
    assert caught.value.param == "track"


def test_a_damaged_track_is_passed_over() -> None:
    data = muxed("matroska", [Track(parts(SOUND), "flac"), Track(parts(LONGER))])
    assert heard(data) == SHORT_S
    assert heard(data.replace(b"\xff\xf8", b"\0\0")) == LONG_S


@pytest.mark.parametrize("track", [0, 3, -1, 1000])
def test_a_track_that_is_not_there_is_named(track: int) -> None:
    data = muxed("matroska", [Track(parts(SOUND)), Track(parts(LONGER))])
    with pytest.raises(InvalidRequest, match="2 sound tracks") as caught:
        decoded(data, track=track)
    assert caught.value.param == "track"


def test_a_film_without_sound_has_no_track() -> None:
    data = muxed("mp4", [], film_s=1.0)
    for track in (None, 1):
        with pytest.raises(UndecodableAudio, match="no sound track"):
            decoded(data, track=track)
