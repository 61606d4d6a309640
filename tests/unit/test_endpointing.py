"""Where speech begins and ends; one frame is 32 ms."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.core.segmentation.endpointing import FRAME_S, Change, Endpointer, EndpointPolicy

LOUD, FAINT, QUIET = 0.9, 0.4, 0.1  # over `enter`, between `leave` and `enter`, below


def frames(seconds: float) -> int:
    return round(seconds / FRAME_S)


def changes(points: Endpointer, probabilities: Iterable[float]) -> list[tuple[int, Change]]:
    """What changed, and after how many frames of the stream."""
    told = [(points.step(p), points.frame) for p in probabilities]
    return [(frame, change) for change, frame in told if change is not None]


def speaking(policy: EndpointPolicy | None = None, seconds: float = 1.0) -> Endpointer:
    """Somebody has been speaking from the start."""
    points = Endpointer(policy or EndpointPolicy())
    assert changes(points, [LOUD] * frames(seconds)) == [(3, Change.ONSET)]
    return points


@pytest.mark.parametrize("run", [1, 2])
def test_a_click_is_no_speech(run: int) -> None:
    points = Endpointer(EndpointPolicy())
    assert changes(points, ([LOUD] * run + [QUIET]) * 20) == []
    assert not points.open


def test_speech_of_three_frames_opens_a_segment() -> None:
    points = Endpointer(EndpointPolicy())
    assert changes(points, [QUIET] * 10 + [LOUD] * 3) == [(13, Change.ONSET)]
    assert (points.began, points.ended) == (10, 13)


def test_faint_speech_goes_on_but_does_not_begin() -> None:
    points = Endpointer(EndpointPolicy())
    assert changes(points, [FAINT] * 50) == []
    assert changes(points, [LOUD, FAINT, FAINT]) == []
    assert changes(points, [LOUD, FAINT, LOUD]) == [(56, Change.ONSET)]
    assert points.began == 50
    assert changes(points, [FAINT] * 100) == []
    assert points.ended == 156


def test_a_single_loud_frame_in_faint_sound_opens_nothing() -> None:
    points = Endpointer(EndpointPolicy())
    assert changes(points, ([LOUD] + [FAINT] * 20 + [QUIET]) * 10) == []


def test_a_pause_then_the_end() -> None:
    points = speaking()
    start = points.frame
    assert changes(points, [QUIET] * 20) == [(start + 7, Change.PAUSE), (start + 16, Change.END)]
    assert not points.open
    assert not points.paused
    assert points.ended == start


def test_speech_after_a_pause_resumes() -> None:
    points = speaking()
    start = points.frame
    assert changes(points, [QUIET] * 10 + [LOUD]) == [
        (start + 7, Change.PAUSE),
        (start + 11, Change.RESUME),
    ]
    assert points.open
    assert not points.paused


@pytest.mark.parametrize(("age", "silence"), [(1.0, 16), (13.0, 11), (21.0, 7)])
def test_who_speaks_long_ends_sooner(age: float, silence: int) -> None:
    points = speaking(seconds=age)
    start = points.frame
    assert changes(points, [QUIET] * 40)[-1] == (start + silence, Change.END)


def test_the_shortest_silence_wins() -> None:
    assert EndpointPolicy(silence_s=0.1).silence_at(21.0) == 0.1


def test_a_segment_is_full_in_the_end() -> None:
    points = speaking(EndpointPolicy(longest_s=2.0), 1.9)
    assert changes(points, [LOUD] * 10)[0] == (63, Change.FULL)


def test_without_an_end_by_silence_there_are_pauses() -> None:
    policy = EndpointPolicy(silence_s=inf, hurry_s=(), longest_s=10.0)
    points = speaking(policy)
    told = changes(points, [QUIET] * frames(10.0))
    assert [change for _, change in told[:2]] == [Change.PAUSE, Change.FULL]
    assert points.paused


def test_an_end_from_outside() -> None:
    points = speaking()
    points.close()
    assert not points.open
    assert changes(points, [LOUD] * 3)[0][1] is Change.ONSET


def test_a_split_goes_on_or_ends() -> None:
    points = speaking()
    points.split(20, 25)
    assert (points.open, points.began, points.ended) == (True, 20, 25)
    points.split(25, None)
    assert not points.open


@given(st.lists(st.floats(0, 1), max_size=400), st.sampled_from([0.1, 0.5, inf]))
def test_changes_come_in_turns(probabilities: list[float], silence: float) -> None:
    points = Endpointer(EndpointPolicy(silence_s=silence, longest_s=3.0))
    was_open = was_paused = False
    for probability in probabilities:
        change = points.step(probability)
        match change:
            case Change.ONSET:
                assert not was_open
            case Change.PAUSE:
                assert was_open
                assert not was_paused
            case Change.RESUME:
                assert was_paused
            case Change.END | Change.FULL:
                assert was_open
        if change is Change.FULL:
            points.split(points.frame - 1, None)
        if points.open:
            assert points.began < points.ended <= points.frame
        was_open, was_paused = points.open, points.paused


def test_patience_ends_too() -> None:
    points = speaking()
    silence = [points.step(QUIET, patient=True) for _ in range(frames(0.9) + 1)]
    assert [c for c in silence if c] == [Change.PAUSE, Change.END]
    assert silence.index(Change.END) + 1 == pytest.approx(frames(0.9), abs=1)


def test_a_segment_may_be_over_before_it_ends() -> None:
    points = speaking()
    seen = [(points.step(QUIET, patient=True), points.over) for _ in range(frames(0.6))]
    assert seen[10] == (None, False)
    assert seen[-1] == (None, True)
