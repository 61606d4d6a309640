"""What a calibration makes of its table: made-up hypotheses, no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from zhiyin.engines.whisper.evaluation import (
    Attempt,
    Choice,
    DecodedClip,
    DecodedRecording,
    Result,
    choose,
    evaluate,
    look_up,
    pick,
    settings,
)
from zhiyin.engines.whisper.guard import Hypothesis
from zhiyin.engines.whisper.policy import FULL_WINDOW_S, DecodePolicy

WINDOWS = ((8.0, 3.0), (15.0, 6.0))
SAID = "turn the lights on"
SHORT = DecodePolicy(floor_s=8.0, tail_s=3.0)


def believed(text: str, logprob: float = -0.2, no_speech: float = 0.0) -> Hypothesis:
    return Hypothesis((1, 2, 3), text, logprob, no_speech, 0.0, finished=True)


def heard(
    short: Hypothesis, full: Hypothesis, seconds: float = 2.0, beam_s: float = 0.1
) -> DecodedClip:
    """Encoding costs 1/30 s a second of window, each beam `beam_s`."""
    attempts = {
        s: Attempt(
            full if s.window >= FULL_WINDOW_S else short, s.window / 30 + s.beam_size * beam_s
        )
        for s in settings(seconds, WINDOWS)
    }
    return DecodedClip(seconds, attempts)


def count(reference: str, text: str) -> tuple[int, int]:
    """Words that are not at their place."""
    wanted, got = reference.split(), text.split()
    wrong = sum(a != b for a, b in zip(wanted, got, strict=False))
    return wrong + abs(len(wanted) - len(got)), len(wanted)


def chosen(*clips: DecodedClip, tolerance: float = 0.2) -> Choice:
    recordings = [DecodedRecording(SAID, (clip,)) for clip in clips]
    return choose(recordings, WINDOWS, count, tolerance)


GOOD, BAD = believed(SAID), believed("turn the light", -0.55)


def test_every_policy_can_be_looked_up() -> None:
    """The windows of a clip differ by its length; long ones leave the full window alone."""
    assert {s.window for s in settings(2.0, WINDOWS)} == {8.0, 16.0, 30.0}
    assert {s.window for s in settings(9.5, WINDOWS)} == {14.0, 16.0, 30.0}
    assert {s.window for s in settings(10.0, WINDOWS)} == {14.0, 17.0, 30.0}
    assert {s.window for s in settings(28.0, WINDOWS)} == {30.0}
    assert len(settings(2.0, WINDOWS)) == 3 * 2 * 2


def test_a_sure_result_costs_the_short_window_alone() -> None:
    outcome = look_up(heard(GOOD, BAD), SHORT)
    assert (outcome.text, outcome.again) == (SAID, False)
    assert outcome.engine_s == pytest.approx(8 / 30 + 0.5)


@pytest.mark.parametrize(
    ("first", "text"),
    [
        (believed("turn", -0.9), SAID),
        (replace(GOOD, text="lights", finished=False), SAID),
        (replace(GOOD, text="on " * 90, avg_logprob=-0.01), SAID),
    ],
    ids=["unsure", "cut off", "looping"],
)
def test_a_doubtful_result_costs_both_windows_and_the_better_stays(
    first: Hypothesis, text: str
) -> None:
    outcome = look_up(heard(first, GOOD), replace(SHORT, doubt_logprob=-0.5))
    assert (outcome.text, outcome.again) == (text, True)
    assert outcome.engine_s == pytest.approx(8 / 30 + 1 + 2 * 0.5)


def test_the_first_result_stays_when_the_full_window_is_less_sure() -> None:
    outcome = look_up(heard(believed("first", -0.6), believed("second", -0.7)), SHORT)
    assert (outcome.text, outcome.again) == ("first", False)
    careful = replace(SHORT, doubt_logprob=-0.5)
    outcome = look_up(heard(believed("first", -0.6), believed("second", -0.7)), careful)
    assert (outcome.text, outcome.again) == ("first", True)


def test_a_clip_that_needs_the_full_window_is_decoded_once() -> None:
    outcome = look_up(heard(GOOD, believed("unsure", -0.9), seconds=28.0), SHORT)
    assert (outcome.text, outcome.again) == ("unsure", False)
    assert outcome.engine_s == pytest.approx(1 + 0.5)


def test_silence_is_no_text() -> None:
    nothing = believed("Thank you.", -0.95, no_speech=0.8)
    assert look_up(heard(nothing, nothing), SHORT).text == ""
    assert look_up(heard(GOOD, nothing), DecodePolicy()).text == ""


def test_sums_join_the_clips_of_a_recording() -> None:
    clips = (heard(believed("turn the"), BAD), heard(believed("lights on"), BAD))
    recordings = [DecodedRecording(SAID, clips), DecodedRecording("more", ())]
    result = evaluate(recordings, SHORT, count)
    assert (result.errors, result.units, result.clips, result.again) == (1, 5, 2, 0)
    assert result.error_percent == 20.0
    assert result.engine_s == pytest.approx(2 * (8 / 30 + 0.5))


def test_without_any_unit_the_rate_is_not_a_crash() -> None:
    assert evaluate([], SHORT, count).error_percent == 0.0


def test_the_cheapest_window_is_chosen_when_all_hear_the_same() -> None:
    policy = chosen(heard(GOOD, GOOD)).chosen.policy
    assert (policy.floor_s, policy.tail_s, policy.beam_size) == (8.0, 3.0, 1)
    assert policy.doubt_logprob == -0.3, "of equals the most careful"


def test_the_guard_is_as_careful_as_it_has_to_be() -> None:
    """One short result is wrong at -0.55, others are right at -0.45: -0.5 tells them apart."""
    right = [heard(believed(SAID, -0.45), GOOD)] * 9
    choice = chosen(heard(BAD, GOOD), *right)
    assert choice.chosen.policy.doubt_logprob == -0.5
    assert (choice.chosen.again, choice.chosen.errors) == (1, 0)


def test_errors_within_the_tolerance_are_traded_for_time() -> None:
    clips = [heard(BAD, GOOD), *[heard(GOOD, GOOD)] * 19]  # 2 errors in 80 words: 2.5 %
    assert chosen(*clips, tolerance=2.4).chosen.errors == 0
    assert chosen(*clips, tolerance=2.5).chosen.errors == 2
    assert chosen(*clips, tolerance=2.5).chosen.again == 0


def test_the_full_window_stays_when_no_other_is_as_good() -> None:
    sure_but_wrong = believed("turn", -0.1)
    choice = chosen(heard(sure_but_wrong, GOOD))
    assert choice.chosen.policy.floor_s == FULL_WINDOW_S
    assert choice.chosen.errors == choice.reference.errors == 0


def test_the_full_window_stays_when_guarding_costs_more() -> None:
    choice = chosen(heard(believed("turn", -0.9), GOOD, beam_s=1.0))
    assert choice.chosen.policy == DecodePolicy(beam_size=1)


def test_the_reference_is_the_better_padding_with_a_wide_beam() -> None:
    clip = heard(GOOD, GOOD)
    attempts = {
        s: a if s.pad_audio else replace(a, hypothesis=BAD) for s, a in clip.attempts.items()
    }
    reference = chosen(replace(clip, attempts=attempts)).reference
    assert (reference.policy.pad_audio, reference.policy.beam_size) == (True, 5)


def test_every_window_padding_and_beam_is_reported_once() -> None:
    choice = chosen(heard(GOOD, GOOD))
    rows = [(r.policy.floor_s, r.policy.pad_audio, r.policy.beam_size) for r in choice.candidates]
    assert len(set(rows)) == len(rows) == 3 * 2 * 2
    assert choice.chosen in choice.candidates


@pytest.mark.parametrize(
    ("most", "wanted"), [(9, "cheap"), (5, "good"), (1, "best")], ids=["any", "some", "none"]
)
def test_pick(most: float, wanted: str) -> None:
    make: Callable[[int, float], Result] = lambda e, s: Result(SHORT, e, 100, s, 10, 0)  # noqa: E731
    results = {"cheap": make(9, 1.0), "good": make(4, 2.0), "best": make(2, 3.0)}
    assert pick(results.values(), most) == results[wanted]
