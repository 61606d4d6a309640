"""What is believed of a clip of music, and where it is looked at again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.whisper_pass import LOOP, SHORT, Said, heard, text
from zhiyin.domain.audio import SAMPLE_RATE, Span
from zhiyin.domain.engine import Again, Clip
from zhiyin.domain.options import DecodeOptions
from zhiyin.engines.whisper.guard import Hypothesis
from zhiyin.engines.whisper.policy import FULL_WINDOW_S, DecodePolicy, ModelPolicy
from zhiyin.engines.whisper.sung import is_sung
from zhiyin.engines.whisper.takes import Carry, plan

POLICY = DecodePolicy()
LINE = "I'm walking slowly down the street, trying to find some peace of mind"
SUNG = Hypothesis(tuple(range(20)), LINE, -0.4, 0.1, 0.0, finished=True)


def song(seconds: float = 29.0, speech: tuple[Span, ...] = (), **more: Any) -> Clip:
    sound = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    return Clip(sound, DecodeOptions(language="en"), speech, music=True, **more)


@pytest.mark.parametrize(
    ("h", "probability", "believed"),
    [
        (SUNG, None, True),
        (SUNG, 0.8, True),
        (SUNG, 0.3, False),
        (replace(SUNG, avg_logprob=-0.8), None, False),
        (replace(SUNG, no_speech_prob=0.8), None, False),
        (replace(SUNG, tokens=(1, 2)), None, False),
        (replace(SUNG, text="Music! " * 20), None, False),
        (replace(SUNG, text="Thanks for watching!"), None, False),
        (LOOP, None, False),
    ],
)
def test_only_what_is_surely_sung_is_believed(
    h: Hypothesis, probability: float | None, believed: bool
) -> None:
    assert is_sung(h, POLICY, probability) is believed


def test_a_song_is_decoded_at_once_in_the_full_window() -> None:
    said = Said(SUNG)
    assert text(heard(said, song(), SHORT))
    assert said.temperatures == [0.0]


def test_where_the_decoder_goes_in_circles_the_halves_are_decoded() -> None:
    again = heard(Said(LOOP), song())
    assert isinstance(again, Again)
    assert isinstance(again.clip.carry, Carry)
    assert again.clip.carry.parts == ((0.0, 14.5), (14.5, 29.0))
    second = heard(Said(LOOP), again.clip)
    assert isinstance(second, Again)
    found = heard(Said(SUNG), second.clip)
    assert not isinstance(found, Again)
    assert found.segments[0].start >= 14.5
    assert text(found)


def test_music_without_words_gives_none_and_is_not_searched_for_ever() -> None:
    unsure = replace(SUNG, avg_logprob=-1.5)
    assert not text(heard(Said(unsure), song()))
    outcome, rounds = heard(Said(LOOP), song()), 1
    while isinstance(outcome, Again):
        outcome, rounds = heard(Said(LOOP), outcome.clip), rounds + 1
    assert not text(outcome)
    assert rounds == 3


def test_speech_that_was_detected_in_music_is_decoded_as_speech_when_the_song_is_not_believed() -> (
    None
):
    again = heard(Said(LOOP), song(speech=((12.0, 12.5),)))
    assert isinstance(again, Again)
    assert not again.clip.music
    word = replace(SUNG, tokens=(1,), text="stop", avg_logprob=-0.5)
    found = heard(Said(word), again.clip)
    assert not isinstance(found, Again)
    assert text(found)
    assert 11.0 <= found.segments[0].start <= 13.5


def test_short_music_is_decoded_in_the_full_window_too() -> None:
    assert plan(song(7.0), ModelPolicy(default=SHORT)).seconds == FULL_WINDOW_S
    assert plan(replace(song(7.0), music=False), ModelPolicy(default=SHORT)).seconds < FULL_WINDOW_S
