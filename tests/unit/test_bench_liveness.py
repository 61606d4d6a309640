"""The live figures from what a client saw, worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bench.liveness import liveness
from bench.manifest import Recording
from bench.talking import Talk


def _recording(reference: str = "one two") -> Recording:
    return Recording(
        path=Path("a.wav"), file="a.wav", lang="en", seconds=2.0, rate=16000, channels=1,
        codec="pcm", grade="A", reference=reference, reference_source="", repo="", source_path="",
        licence="", tags=frozenset(), bytes=0, sha256="",
    )  # fmt: skip


def _input(events: list[tuple[float, dict[str, Any]]], reference: str = "one two") -> Talk:
    return Talk(_recording(reference), events, ended_s=2.0, sent_s=2.0)


_STARTED = (0.5, {"type": "speech_started", "segment_id": 0, "start": 0.1})
_WORDS = [{"word": "one", "end": 1.0}, {"word": "two", "end": 1.5}]


def test_delays_are_differences_on_the_speakers_clock() -> None:
    partial = {"type": "partial", "segment_id": 0, "stable": "one", "unstable": " to"}
    final = {
        "type": "final", "segment_id": 0, "text": "one two", "end": 2.0, "reason": "commit",
        "words": _WORDS,
    }  # fmt: skip
    seen = liveness([_input([_STARTED, (1.4, partial), (2.3, final)])], "en")
    assert seen.final_after_commit is not None
    assert seen.final_after_commit.p50_s == pytest.approx(0.3)
    assert seen.final_after_silence is None
    assert seen.first_partial is not None
    assert seen.first_partial.p50_s == pytest.approx(1.0)  # speech begins 0.3 s after the segment
    assert seen.stable_word is not None
    assert seen.stable_word.mean_s == pytest.approx((0.4 + 0.8) / 2)
    assert seen.erasure == pytest.approx(1 / len("one two"))  # the "o" of "to"
    assert (seen.lost_tails, seen.changed_finals, seen.error_percent) == (0, 0, 0.0)


def test_silence_counts_from_the_end_of_the_segment() -> None:
    final = {"type": "final", "segment_id": 0, "text": "one two", "end": 2.0, "reason": "vad"}
    seen = liveness([_input([_STARTED, (2.2, final)])], "en")
    assert seen.final_after_silence is not None
    assert seen.final_after_silence.p50_s == pytest.approx(0.2)


def test_a_segment_without_a_final_is_a_lost_tail() -> None:
    assert liveness([_input([_STARTED])], "en").lost_tails == 1


def test_a_final_told_twice_is_counted() -> None:
    final = {"type": "final", "segment_id": 0, "text": "one two", "end": 2.0, "reason": "vad"}
    assert liveness([_input([_STARTED, (2.2, final), (2.4, final)])], "en").changed_finals == 1
