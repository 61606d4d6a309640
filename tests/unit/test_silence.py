"""What is believed of short clips: figures of words and noises, shifted as processors do."""

from __future__ import annotations

from itertools import product

import pytest

from zhiyin.engines.whisper.guard import Hypothesis
from zhiyin.engines.whisper.policy import DecodePolicy
from zhiyin.engines.whisper.silence import is_silent, is_stock

POLICY = DecodePolicy()


def figures(text: str, no_speech: float, logprob: float) -> Hypothesis:
    return Hypothesis((1, 2), text, logprob, no_speech, 0.0, finished=True)


@pytest.mark.parametrize(
    ("text", "no_speech", "logprob", "speech_s"),
    [
        ("Hahaha.", 0.30, -1.12, 0.19),
        ("Thank you.", 0.41, -0.98, 0.19),
        ("哈哈哈哈", 0.41, -0.92, 0.19),
        ("Thank you.", 0.41, -0.98, 0.35),
        ("Wheeeee!", 0.41, -1.39, 0.03),
        ("Thanks for watching!", 0.72, -1.05, 0.03),
        ("Yeah.", 0.61, -0.83, 0.10),
        ("I don't know.", 0.84, -1.54, 0.42),
    ],
)
def test_noises_stay_silent_with_a_margin(
    text: str, no_speech: float, logprob: float, speech_s: float
) -> None:
    for more, surer in product((-0.1, 0.0, 0.1), (-0.15, 0.0, 0.15)):
        assert is_silent(figures(text, no_speech + more, logprob + surer), POLICY, speech_s)


@pytest.mark.parametrize(
    ("text", "no_speech", "logprob", "speech_s"),
    [
        ("five, nine, two", 0.76, -0.46, 1.28),
        ("7-8-9", 0.64, -0.82, 0.51),
        ("one four eight", 0.58, -0.96, 0.77),
        ("不要緊", 0.45, -1.12, 0.64),
        ("三公司", 0.31, -1.19, 0.67),
    ],
)
def test_words_that_were_detected_are_kept(
    text: str, no_speech: float, logprob: float, speech_s: float
) -> None:
    for more, surer in product((-0.1, 0.0), (0.0, 0.15)):
        assert not is_silent(figures(text, no_speech + more, logprob + surer), POLICY, speech_s)


def test_the_less_speech_was_detected_the_surer_a_text_must_be() -> None:
    unsure, sure = figures("stop", 0.35, -0.5), figures("stop", 0.2, -0.5)
    assert is_silent(unsure, POLICY, 0.1)
    assert not is_silent(sure, POLICY, 0.1)
    assert not is_silent(unsure, POLICY, 0.3)


def test_without_detection_the_model_is_asked_alone() -> None:
    assert is_silent(figures("好", 0.65, -0.7), POLICY, None)
    assert not is_silent(figures("好", 0.35, -0.8), POLICY, None)


def test_what_whisper_makes_up_must_be_sure_unless_it_was_detected() -> None:
    thanks, other = figures("Thank you.", 0.35, -0.7), figures("Thank him.", 0.35, -0.7)
    assert is_silent(thanks, POLICY, 0.4)
    assert is_silent(thanks, POLICY, None)
    assert not is_silent(other, POLICY, 0.4)
    assert not is_silent(thanks, POLICY, 0.6)
    assert not is_silent(figures("Thank you.", 0.1, -0.3), POLICY, 0.4)


@pytest.mark.parametrize(
    "text", ["Thank you.", "THANKS FOR WATCHING!", "謝謝大家", "字幕由 Amara.org 社群提供", "you"]
)
def test_stock_phrases_are_known_however_they_are_written(text: str) -> None:
    assert is_stock(text)


@pytest.mark.parametrize("text", ["Thank you, Tom.", "打开字幕", "谢谢你的帮助", "you too", ""])
def test_what_people_say_is_no_stock_phrase(text: str) -> None:
    assert not is_stock(text)
