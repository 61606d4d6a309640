"""Silence for the end of a live segment."""

from __future__ import annotations

import numpy as np
import pytest

from zhiyin.core.live.room_tone import with_tail
from zhiyin.domain.audio import SAMPLE_RATE, Samples, Span


def sound(*parts: tuple[float, float]) -> Samples:
    """Noise: (seconds, loudness), one after the other."""
    noise = np.random.default_rng(7)
    made = [noise.normal(0, loud, round(s * SAMPLE_RATE)) for s, loud in parts]
    return np.concatenate(made).astype(np.float32)


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))


@pytest.mark.parametrize(
    ("parts", "speech"),
    [
        (((0.3, 0.01), (1.0, 0.5), (0.2, 0.01)), (0.3, 1.3)),  # after the speech
        (((0.5, 0.01), (1.0, 0.5)), (0.5, 1.5)),  # before it
    ],
)
def test_the_silence_that_is_there_is_continued(
    parts: tuple[tuple[float, float], ...], speech: Span
) -> None:
    samples = sound(*parts)
    longer = with_tail(samples, [speech], 1.0)
    assert len(longer) == round((speech[1] + 1.0) * SAMPLE_RATE)
    np.testing.assert_array_equal(longer[: len(samples)], samples)
    assert loudness(longer[len(samples) :]) == pytest.approx(0.01, rel=0.1)
    assert longer.dtype == np.float32


@pytest.mark.parametrize(
    ("parts", "speech"),
    [
        (((1.0, 0.5), (1.2, 0.01)), [(0.0, 1.0)]),  # there is enough
        (((1.0, 0.5), (0.05, 0.01)), [(0.0, 1.0)]),  # there is nothing to make it of
        (((1.0, 0.01),), []),  # there is no speech
        ((), []),
    ],
)
def test_otherwise_the_sound_stays_as_it_is(
    parts: tuple[tuple[float, float], ...], speech: list[Span]
) -> None:
    samples = sound(*parts) if parts else np.zeros(0, np.float32)
    assert with_tail(samples, speech, 1.0) is samples
