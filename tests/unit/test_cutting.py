"""Cutting never loses, doubles or moves speech, whatever the speech looks like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.core.segmentation.cutting import CutPolicy, Cutter
from zhiyin.domain.audio import SAMPLE_RATE, Piece
from zhiyin.ports.vad import FRAME

POLICY = CutPolicy()


def cut(speech: list[bool], block: int = 31, policy: CutPolicy = POLICY) -> list[Piece]:
    """Pieces of a recording whose frame i is speech or not; frame i holds the value i + 1."""
    probs = np.array([0.9 if s else 0.05 for s in speech], np.float32)
    numbered = np.repeat(np.arange(1, len(speech) + 1, dtype=np.float32), FRAME)
    cutter = Cutter(policy)
    pieces: list[Piece] = []
    for i in range(0, len(speech), block):
        part = numbered[i * FRAME : (i + block) * FRAME]
        pieces += cutter.push(part, probs[i : i + block])
    pieces += cutter.finish()
    return pieces


def frames(piece: Piece) -> list[int]:
    """The frame numbers a piece holds."""
    return [int(v) - 1 for v in piece.samples[::FRAME]]


def test_what_was_detected_is_counted_without_the_breaths_that_spans_bridge() -> None:
    (piece,) = cut([False] * 40 + [True] * 3 + [False] * 5 + [True] * 3 + [False] * 80)
    assert piece.speech is not None
    ((begin, end),) = piece.speech
    assert piece.voiced_s == pytest.approx(6 * FRAME / SAMPLE_RATE)
    assert end - begin == pytest.approx(11 * FRAME / SAMPLE_RATE)


runs = st.lists(st.tuples(st.booleans(), st.integers(1, 400)), min_size=1, max_size=12)


@given(runs, st.integers(1, 70))
@settings(max_examples=150)
def test_every_speech_frame_is_in_exactly_one_piece(
    pattern: list[tuple[bool, int]], block: int
) -> None:
    speech = [kind for kind, length in pattern for _ in range(length)]
    pieces = cut(speech, block)
    held = [f for p in pieces for f in frames(p)]
    assert held == sorted(set(held)), "overlap or disorder"
    clicks = _short_runs(speech, 2)
    missing = {i for i, s in enumerate(speech) if s} - set(held)
    assert missing <= clicks


def _short_runs(speech: list[bool], shorter_than: int) -> set[int]:
    """Frames of speech so short and lonely that it counts as a click."""
    found: set[int] = set()
    run: list[int] = []
    for i, s in enumerate([*speech, False]):
        if s:
            run.append(i)
        else:
            if len(run) < shorter_than:
                found.update(run)
            run = []
    return found


@given(runs)
@settings(max_examples=100)
def test_pieces_know_their_place_and_keep_the_limit(pattern: list[tuple[bool, int]]) -> None:
    speech = [kind for kind, length in pattern for _ in range(length)]
    for piece in cut(speech):
        assert piece.duration <= POLICY.max_piece_s + 2 * FRAME / SAMPLE_RATE
        first = piece.samples[0] - 1
        assert abs(piece.start - first * FRAME / SAMPLE_RATE) < 1e-6


@given(runs, st.integers(1, 50), st.integers(1, 50))
@settings(max_examples=60)
def test_block_size_does_not_matter(pattern: list[tuple[bool, int]], one: int, other: int) -> None:
    speech = [kind for kind, length in pattern for _ in range(length)]
    assert [frames(p) for p in cut(speech, one)] == [frames(p) for p in cut(speech, other)]


def test_silence_gives_nothing() -> None:
    assert cut([False] * 500) == []


def test_a_click_of_one_frame_is_not_speech() -> None:
    assert cut([False] * 50 + [True] + [False] * 200) == []


def test_margins_are_kept_around_speech() -> None:
    (piece,) = cut([False] * 100 + [True] * 50 + [False] * 200)
    held = frames(piece)
    assert held[0] in range(67, 71)
    assert held[-1] in range(179, 182)
    assert piece.speech is not None
    assert piece.speech[-1][1] == pytest.approx(piece.duration - POLICY.after_s, abs=0.05)


def test_a_long_pause_separates_and_a_short_one_does_not() -> None:
    second = 31
    apart = cut([True] * second + [False] * 3 * second + [True] * second)
    together = cut([True] * second + [False] * second + [True] * second)
    assert (len(apart), len(together)) == (2, 1)


def test_long_speech_is_cut_in_its_pause() -> None:
    speech = [True] * 600 + [False] * 12 + [True] * 600
    first, *_ = cut(speech)
    assert frames(first)[-1] in range(600, 612)


def test_ungated_takes_everything() -> None:
    policy = CutPolicy(gated=False)
    speech = [False] * 2000
    held = [f for p in cut(speech, policy=policy) for f in frames(p)]
    assert held == list(range(2000))


def test_memory_is_bounded_by_the_piece() -> None:
    cutter = Cutter(POLICY)
    block = np.ones(FRAME * 31, np.float32)
    for _ in range(600):
        list(cutter.push(block, np.full(31, 0.9, np.float32)))
        assert cutter.held_seconds < POLICY.max_piece_s + 2
    for _ in range(600):
        list(cutter.push(block, np.full(31, 0.01, np.float32)))
    assert cutter.held_seconds < 2
