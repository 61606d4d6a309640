"""A pass of the Whisper engine over clips, with results of the model that are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.engine import Again, Clip, ClipResult
from zhiyin.domain.options import DecodeOptions
from zhiyin.domain.segmenting import TimedText
from zhiyin.engines.whisper.backend import Backend
from zhiyin.engines.whisper.decoding import Pass
from zhiyin.engines.whisper.guard import Hypothesis
from zhiyin.engines.whisper.policy import DecodePolicy, ModelPolicy
from zhiyin.engines.whisper.spoken import Ranking

SURE = Hypothesis((1, 2), "turn on", -0.2, 0.05, 0.0, finished=True)
MUFFLED = replace(SURE, avg_logprob=-0.7, no_speech_prob=0.7)
UNSURE = replace(SURE, avg_logprob=-1.2)
LOOP = replace(SURE, tokens=(7,) * 40, avg_logprob=-0.1)  # more than anybody says in that time

SHORT = DecodePolicy(floor_s=8.0, tail_s=1.0, doubt_logprob=-0.5)
FULL = DecodePolicy()


class Said:
    """Gives these hypotheses in turn, and the first of them for every clip of a call."""

    def __init__(self, *hypotheses: Hypothesis, detected: Sequence[Ranking] = ()) -> None:
        self._left = list(hypotheses)
        self._detected = list(detected)
        self.languages: list[str] = []
        self.clips: list[Samples] = []
        self.temperatures: list[float] = []

    def features(self, clips: list[Samples], _window: float, *, pad_audio: bool) -> object:
        assert not pad_audio
        self.clips += clips
        return None

    def encode(self, features: object) -> object:
        return features

    def select(self, encoded: object, _indices: Sequence[int]) -> object:
        return encoded

    def detect(self, _encoded: object) -> list[Ranking]:
        return [self._detected.pop(0)]

    def detect_within(self, encoded: object, _i: int, spans: Any, _s: float) -> list[Ranking]:
        return [ranking for _ in spans for ranking in self.detect(encoded)]

    def generate(self, *asked: Any) -> list[Hypothesis]:
        self.languages += asked[1]
        self.temperatures.append(asked[-1])
        return [self._left.pop(0)]

    def text(self, tokens: tuple[int, ...]) -> str:
        return " ".join(map(str, tokens))

    def align(self, *asked: Any) -> list[list[TimedText]]:
        tokens, (seconds,) = asked[-2][0], asked[-1]
        ends = np.linspace(0, seconds, len(tokens) + 1)
        return [
            [
                TimedText(f"w{token}", float(a), float(b), 0.9, (token,))
                for token, a, b in zip(tokens, ends[:-1], ends[1:], strict=True)
            ]
        ]


def clip(spoken_s: float, **more: Any) -> Clip:
    """Three seconds, with so much detected speech from 0.2 s on."""
    sound = np.zeros(3 * SAMPLE_RATE, np.float32)
    return Clip(sound, DecodeOptions(language="en"), ((0.2, 0.2 + spoken_s),), **more)


def heard(said: Said, what: Clip, policy: DecodePolicy = FULL) -> ClipResult | Again:
    """The outcome of one pass."""
    (outcome,) = Pass(cast("Backend", said), ModelPolicy(default=policy), [what]).run()
    return outcome


def text(outcome: ClipResult | Again) -> str:
    """Of a result."""
    assert isinstance(outcome, ClipResult)
    return "".join(segment.text for segment in outcome.segments)
