"""Small files that would expand to gigabytes: refused, or decoded within bounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import hostile
from tests.support.hostile import LONGEST, flac, flac_frame

ALLOWED_MB = 60


def frames(count: int, rate: int, channels: int = 1) -> list[bytes]:
    return [flac_frame(number, rate, channels) for number in range(count)]


def _changing() -> bytes:
    each = [flac_frame(n, 8000 + 10 * (n % 1000), samples=16) for n in range(20_000)]
    return flac(each, 8000)


def _block_of_many(container: str) -> bytes:
    """One packet of 800 frames: 21 minutes of 8 channels, 1.6 GB."""
    rate, channels = 40_000, 8
    packet = b"".join(frames(800, rate, channels))
    return hostile.packed([packet], container, flac(frames(1, rate, channels), rate, channels))


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "low rate": (lambda: flac(frames(1, 40), 40), "undecodable_audio"),
    "rate 1": (lambda: flac(frames(1, 1), 1), "undecodable_audio"),
    "just too low": (lambda: flac(frames(9, 3999), 3999), "undecodable_audio"),
    "too high": (lambda: flac(frames(9, 800_000), 800_000), "undecodable_audio"),
    "least rate": (lambda: flac(frames(9, 4000), 4000), "audio_too_long"),
    "eight channels": (lambda: flac(frames(90, 4000, 8), 4000, 8), "audio_too_long"),
    "rate changes": (_changing, "undecodable_audio"),
    "ogg": (
        lambda: hostile.packed(frames(2, 100), "ogg", flac(frames(1, 48_000), 48_000)),
        "undecodable_audio",
    ),
    "many frames in a block": (lambda: _block_of_many("matroska"), "undecodable_audio"),
    "many frames in a page": (lambda: _block_of_many("ogg"), "undecodable_audio"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_little_bytes_of_much_sound_take_no_memory(name: str, tmp_path: Path) -> None:
    make, error = REFUSED[name]
    found = hostile.decoded_apart(make(), tmp_path)
    assert found.error == error
    assert found.peak_mb < ALLOWED_MB


def test_long_frames_within_the_limit_come_in_blocks(tmp_path: Path) -> None:
    found = hostile.decoded_apart(flac(frames(3, 4000), 4000), tmp_path)
    assert found.error is None
    assert found.seconds == pytest.approx(3 * LONGEST / 4000, abs=0.1)
    assert found.longest_block_s <= 2.0


def test_pictures_are_not_decoded(tmp_path: Path) -> None:
    file = hostile.with_cover(flac(frames(4, 16_000), 16_000), hostile.png(5000))
    found = hostile.decoded_apart(file, tmp_path)
    assert found.error is None
    assert found.seconds == pytest.approx(4 * LONGEST / 16_000, abs=0.1)
    assert found.peak_mb < ALLOWED_MB
