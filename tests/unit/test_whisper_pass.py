"""What one pass of Whisper believes, doubts and asks again; the backend's hypotheses are given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from tests.support.whisper_pass import LOOP, MUFFLED, SHORT, SURE, UNSURE, Said, clip, heard, text
from zhiyin.domain.audio import SAMPLE_RATE
from zhiyin.domain.engine import Again, Clip, ClipResult
from zhiyin.domain.options import DecodeOptions
from zhiyin.engines.whisper.backend import Backend
from zhiyin.engines.whisper.decoding import Pass
from zhiyin.engines.whisper.guard import Hypothesis
from zhiyin.engines.whisper.policy import DecodePolicy, ModelPolicy
from zhiyin.engines.whisper.takes import Carry


def test_a_draft_of_enough_speech_is_shown_though_the_model_hears_little() -> None:
    assert text(heard(Said(MUFFLED), clip(1.2, draft=True)))
    assert not text(heard(Said(MUFFLED), clip(0.6, draft=True)))


def test_a_draft_may_be_unsure_but_not_hopeless_nor_a_loop() -> None:
    assert text(heard(Said(UNSURE), clip(0.6, draft=True)))
    assert not text(heard(Said(replace(UNSURE, avg_logprob=-2.0)), clip(1.2, draft=True)))
    assert not text(heard(Said(LOOP), clip(1.2, draft=True)))
    assert not text(heard(Said(replace(SURE, text="")), clip(1.2, draft=True)))


def test_speech_that_sounds_like_silence_gets_a_second_look_from_a_later_beginning() -> None:
    said = Said(MUFFLED, SURE)
    again = heard(said, clip(2.2))
    assert isinstance(again, Again)
    found = heard(said, again.clip)
    assert text(found)
    assert isinstance(found, ClipResult)
    assert found.segments[0].start == 0.5, "times are of the clip"
    assert len(said.clips[0]) - len(said.clips[1]) == 0.5 * SAMPLE_RATE


def test_what_stays_silent_is_not_looked_at_for_a_third_time() -> None:
    again = heard(Said(MUFFLED), clip(2.2))
    assert isinstance(again, Again)
    assert not text(heard(Said(MUFFLED), again.clip))


def test_little_speech_or_real_silence_gets_no_second_look() -> None:
    assert not text(heard(Said(MUFFLED), clip(0.4)))
    silent = replace(MUFFLED, avg_logprob=-1.2)
    assert not text(heard(Said(silent), clip(2.2)))


@pytest.mark.parametrize(
    ("spoken_s", "logprob", "no_speech", "believed"),
    [
        (0.6, -0.7, 0.7, True),
        (0.3, -0.7, 0.7, False),
        (0.6, -1.2, 0.5, True),
        (0.6, -1.2, 0.7, False),
        (1.2, -1.2, 0.5, True),
        (1.2, -1.2, 0.7, False),
    ],
)
def test_what_is_said_just_now_is_believed_sooner_the_more_speech_was_detected(
    spoken_s: float, logprob: float, no_speech: float, believed: bool
) -> None:
    muffled = replace(SURE, avg_logprob=logprob, no_speech_prob=no_speech)
    assert bool(text(heard(Said(muffled), clip(spoken_s, urgent=True)))) == believed


def test_an_unsure_short_window_is_decoded_in_full_unless_somebody_waits() -> None:
    doubtful = replace(SURE, avg_logprob=-0.8)
    again = heard(Said(doubtful), clip(1.5), SHORT)
    assert isinstance(again, Again)
    assert isinstance(again.clip.carry, Carry)
    assert again.clip.carry.first == doubtful
    assert text(heard(Said(doubtful), clip(1.5, urgent=True), SHORT))
    assert isinstance(heard(Said(LOOP), clip(1.5, urgent=True), SHORT), Again)


WORD = replace(SHORT, word_logprob=-1.6)


@pytest.mark.parametrize(
    ("spoken_s", "logprob", "policy", "believed"),
    [
        (0.7, -1.2, WORD, True),
        (0.7, -1.2, SHORT, False),
        (0.7, -1.7, WORD, False),
        (0.3, -1.2, WORD, False),
        (2.2, -1.2, WORD, False),
    ],
)
def test_a_word_is_left_as_the_short_window_has_it_where_the_policy_says_so(
    spoken_s: float, logprob: float, policy: DecodePolicy, believed: bool
) -> None:
    said = Said(replace(SURE, avg_logprob=logprob))
    outcome = heard(said, clip(spoken_s), policy)
    assert isinstance(outcome, Again) != believed
    assert said.temperatures == [0.0]


def test_breaths_between_bursts_are_no_speech() -> None:
    laugh = replace(UNSURE, no_speech_prob=0.3)
    assert text(heard(Said(laugh, laugh), clip(0.6)))
    assert not text(heard(Said(laugh), clip(0.6, voiced_s=0.2)))


def test_a_loop_is_no_word() -> None:
    assert isinstance(heard(Said(LOOP), clip(0.7), WORD), Again)


def test_a_word_is_not_lost_because_a_higher_temperature_is_silent() -> None:
    muffled = replace(UNSURE, no_speech_prob=0.5)
    nothing = replace(UNSURE, text="", tokens=(), avg_logprob=-1.7)
    assert text(heard(Said(muffled, nothing), clip(0.7))) == "w1w2"
    assert not text(heard(Said(muffled), clip(0.3)))


def test_higher_temperatures_end_when_they_bring_nothing_new() -> None:
    other = replace(UNSURE, text="turn off", avg_logprob=-1.3)
    said = Said(UNSURE, other, other, SURE)
    assert text(heard(said, clip(1.5)))
    assert said.temperatures == [0.0, 0.2, 0.4]


def test_higher_temperatures_go_on_while_the_decoder_loops() -> None:
    said = Said(LOOP, LOOP, LOOP, SURE)
    assert text(heard(said, clip(1.5)))
    assert said.temperatures == [0.0, 0.2, 0.4, 0.6]


def test_who_waits_is_not_kept_waiting_by_higher_temperatures() -> None:
    said = Said(UNSURE, SURE)
    assert text(heard(said, clip(1.5, urgent=True))) == "w1w2"
    assert said.temperatures == [0.0]


def test_of_a_loop_that_nothing_ends_the_first_round_is_believed() -> None:
    loop = replace(SURE, tokens=(1, 2, *(7, 8, 9) * 5), text="turn on" + " and so on" * 5)
    assert text(heard(Said(loop), clip(1.5, urgent=True))) == "w1w2w7w8w9"
    assert text(heard(Said(*[loop] * 6), clip(1.5))) == "w1w2w7w8w9"


ENGLISH, MANDARIN, BOTH = {"en": 0.98}, {"zh": 0.97, "en": 0.01}, {"en": 0.6, "zh": 0.39}


def unnamed(*speech: tuple[float, float], **more: Any) -> Clip:
    """Eight seconds whose language is not named."""
    return Clip(np.zeros(8 * SAMPLE_RATE, np.float32), DecodeOptions(), speech, **more)


def test_a_clip_is_decoded_in_its_own_language_whatever_is_expected() -> None:
    said = Said(SURE, SURE, detected=[MANDARIN, BOTH])
    for_sure = heard(said, unnamed((0.2, 1.0), expected="en"))
    unclear = heard(said, unnamed((0.2, 1.0), expected="zh"))
    assert said.languages == ["zh", "zh"]
    assert isinstance(for_sure, ClipResult)
    assert isinstance(unclear, ClipResult)
    assert [r.language_probability for r in (for_sure, unclear)] == [0.97, 0.39]


def test_the_window_is_that_of_the_language_that_is_expected() -> None:
    policies = ModelPolicy(default=SHORT)
    said = cast("Backend", Said(SURE, detected=[ENGLISH]))
    (outcome,) = Pass(said, policies, [unnamed((0.2, 1.0), expected="en")]).run()
    assert text(outcome), "nothing is encoded twice"


def test_a_clip_in_two_languages_is_decoded_in_two_parts() -> None:
    said = Said(SURE, SURE, detected=[BOTH, ENGLISH, MANDARIN])
    outcome: ClipResult | Again = heard(said, unnamed((0.5, 3.0), (4.0, 7.0)))
    passes = 1
    while isinstance(outcome, Again):
        outcome, passes = heard(said, outcome.clip), passes + 1
    assert (passes, said.languages) == (3, ["en", "zh"])
    assert [len(sound) / SAMPLE_RATE for sound in said.clips] == [8.0, 3.5, 4.5]
    assert [(s.language, s.start) for s in outcome.segments] == [("en", 0.0), ("zh", 3.5)]
    assert (outcome.language, outcome.language_probability) == ("en", 0.6)


def test_a_doubtful_part_in_its_own_language_gets_the_full_window() -> None:
    doubtful = replace(SURE, avg_logprob=-0.8)
    said = Said(doubtful, SURE, SURE, detected=[BOTH, MANDARIN, ENGLISH])
    policies = ModelPolicy(default=SHORT, undetected=SHORT)
    clip = unnamed((0.5, 3.0), (4.0, 7.0))
    outcome: ClipResult | Again = Again(clip)
    while isinstance(outcome, Again):
        (outcome,) = Pass(cast("Backend", said), policies, [outcome.clip]).run()
    assert said.languages == ["zh", "zh", "en"]
    assert [s.language for s in outcome.segments] == ["zh", "en"]


def test_a_draft_is_not_looked_at_in_parts() -> None:
    said = Said(SURE, detected=[BOTH, ENGLISH, MANDARIN])
    assert text(heard(said, unnamed((0.5, 3.0), (4.0, 7.0), draft=True)))
    assert said.languages == ["en"]


PHRASE = replace(SURE, tokens=(1, 2, 3, 4), text="turn on the lights")
THRICE = replace(PHRASE, tokens=PHRASE.tokens * 3, text=" ".join([PHRASE.text] * 3))


def said_thrice(**more: Any) -> Clip:
    """Six seconds with three stretches of speech that are alike."""
    sound = np.zeros(6 * SAMPLE_RATE, np.float32)
    speech = ((0.5, 1.5), (2.5, 3.5), (4.5, 5.5))
    return Clip(sound, DecodeOptions(language="en"), speech, **more)


def test_what_the_speaker_repeats_is_no_loop() -> None:
    said = Said(THRICE)
    assert text(heard(said, said_thrice())) == "w1w2w3w4" * 3
    assert said.temperatures == [0.0]


@pytest.mark.parametrize("given", [PHRASE, replace(THRICE, tokens=(1, 2, 3, 4) * 9)])
def test_rounds_that_the_decoder_miscounts_are_decoded_one_by_one(given: Hypothesis) -> None:
    given = replace(given, text=" ".join(["turn on the lights"] * (len(given.tokens) // 4)))
    said = Said(given, PHRASE, PHRASE, PHRASE)
    outcome: ClipResult | Again = heard(said, said_thrice())
    while isinstance(outcome, Again):
        outcome = heard(said, outcome.clip)
    assert text(outcome) == "w1w2w3w4" * 3
    assert [len(sound) / SAMPLE_RATE for sound in said.clips] == [6.0, 2.0, 2.0, 2.0]
    assert said.temperatures == [0.0] * 4


def test_rounds_that_give_less_than_the_whole_are_dropped() -> None:
    nothing = replace(SURE, text="", tokens=())
    said = Said(PHRASE, nothing, nothing, nothing)
    outcome: ClipResult | Again = heard(said, said_thrice())
    while isinstance(outcome, Again):
        outcome = heard(said, outcome.clip)
    assert text(outcome) == "w1w2w3w4"


def test_who_waits_does_not_wait_for_rounds_one_by_one() -> None:
    assert text(heard(Said(PHRASE), said_thrice(urgent=True))) == "w1w2w3w4"


def test_a_failing_result_is_not_decoded_more_than_four_times() -> None:
    said = Said(*[LOOP] * 9)
    assert text(heard(said, clip(1.5)))
    assert said.temperatures == [0.0, 0.2, 0.4, 0.6]
