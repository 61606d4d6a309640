"""The language of a recording that nobody named: of clips, of parts of them, of what comes next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.scripted_engine import options, recording, service
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import Again, Clip, ClipResult
from zhiyin.domain.errors import AsrError
from zhiyin.domain.spoken import SpokenLanguages
from zhiyin.domain.transcript import Segment, Transcript
from zhiyin.engines.scripted import ScriptedEngine
from zhiyin.engines.whisper.spoken import LanguageRun, choose, may_be_several, runs, stretches

PAUSE = [0] * 30
"""Slots of 0.1 s that end a piece."""


@pytest.mark.parametrize(
    ("ranking", "expected", "speech_s", "language"),
    [
        ({"en": 0.4, "zh": 0.3}, None, 0.4, "en"),
        ({"en": 0.4, "zh": 0.3}, "zh", 4.0, "zh"),
        ({"zh": 0.9, "en": 0.05}, "en", 4.0, "zh"),
        ({"zh": 0.7, "en": 0.05}, "en", 4.0, "zh"),
        ({"zh": 0.7, "en": 0.05}, "en", 0.4, "en"),
        ({"zh": 0.9, "en": 0.05}, "en", 0.4, "zh"),
        ({"zh": 0.55, "yue": 0.42}, "yue", 9.0, "yue"),
        ({"zh": 1.0}, "en", 2.0, "zh"),
    ],
)
def test_what_is_expected_gives_way_to_what_is_clear(
    ranking: dict[str, float], expected: str | None, speech_s: float, language: str
) -> None:
    chosen, probability = choose(ranking, expected, speech_s)
    assert (chosen, probability) == (language, ranking.get(language, 0.0))


def test_a_clip_is_looked_at_in_parts_when_it_may_be_in_several_languages() -> None:
    assert may_be_several({"zh": 0.96, "en": 0.03}, [(0, 2), (3, 5)])
    assert not may_be_several({"zh": 0.99}, [(0, 2), (3, 5)])
    assert not may_be_several({"zh": 0.6, "en": 0.4}, [(0, 5)])
    assert stretches([(0, 1), (1.2, 2), (2.5, 3)]) == [(0, 2), (2.5, 3)]


ZH, EN, NEITHER = {"zh": 0.97, "en": 0.01}, {"en": 0.95, "zh": 0.02}, {"en": 0.6, "zh": 0.4}


def test_runs_meet_in_a_pause_and_cover_the_clip() -> None:
    found = runs([(0.5, 3), (4, 6)], [EN, ZH], "en", 7.0)
    assert found == [LanguageRun(0.0, 3.5, "en"), LanguageRun(3.5, 7.0, "zh")]


def test_short_and_unclear_stretches_belong_to_their_nearest_neighbour() -> None:
    spans = [(0.0, 3.0), (3.5, 3.7), (5.0, 7.0), (7.4, 9.0)]
    found = runs(spans, [EN, ZH, ZH, NEITHER], "en", 10.0)
    assert [(r.language, r.end) for r in found] == [("en", 4.35), ("zh", 10.0)]


def test_a_word_in_another_language_is_a_run_where_it_is_clear() -> None:
    found = runs([(0.0, 3.0), (3.8, 4.2)], [ZH, EN], "zh", 5.0)
    assert [(r.language, r.end) for r in found] == [("zh", 3.4), ("en", 5.0)]


def test_what_is_nowhere_clear_is_in_the_language_of_the_whole() -> None:
    assert runs([(0, 2), (3, 5)], [NEITHER, NEITHER], "zh", 5.0) == [LanguageRun(0.0, 5.0, "zh")]


def result(language: str, probability: float, *lengths: float) -> ClipResult:
    return ClipResult(
        tuple(Segment("x", 0.0, length, 1.0) for length in lengths), language, probability
    )


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ([], None),
        ([result("en", 0.8, 0.4)], None),  # a short word says little
        ([result("en", 0.8, 0.4), result("zh", 0.9, 2.0, 3.0)], "zh"),
        ([result("zh", 0.9, 2.0, 3.0), result("en", 0.9, 2.0)], "zh"),
        ([result("zh", 0.2, 1.0)], None),
    ],
)
def test_evidence_is_counted_in_seconds_of_speech(
    heard: list[ClipResult], expected: str | None
) -> None:
    spoken = SpokenLanguages()
    for clip in heard:
        spoken.add(clip)
    assert spoken.expected == expected


def test_a_later_change_wins_after_a_while() -> None:
    spoken = SpokenLanguages()
    for _ in range(60):
        spoken.add(result("en", 1.0, 10.0))
    spoken.add(result("zh", 1.0, 10.0))
    spoken.add(result("zh", 1.0, 10.0))
    assert spoken.expected == "zh"


def test_segments_in_another_language_than_their_clip_count_for_it() -> None:
    spoken = SpokenLanguages()
    mixed = result("en", 0.6, 1.0, 4.0)
    other = replace(mixed.segments[1], language="zh")
    spoken.add(replace(mixed, segments=(mixed.segments[0], other)))
    assert spoken.expected == "zh"


def test_chinese_is_written_in_one_script() -> None:
    spoken = SpokenLanguages()
    assert spoken.written_as("yue") == "yue"
    spoken.add(result("zh", 0.9, 5.0))
    assert [spoken.written_as(code) for code in ("yue", "zh", "en", "ja")] == [
        "zh", "zh", "en", "ja",
    ]  # fmt: skip
    spoken.add(result("en", 0.9, 50.0))
    assert [spoken.written_as(code) for code in ("yue", "zh")] == ["yue", "zh"]


def test_a_named_language_is_no_evidence() -> None:
    spoken = SpokenLanguages()
    spoken.add(replace(result("en", 1.0, 9.0), language_probability=None))
    assert spoken.expected is None


@dataclass(slots=True)
class Bilingual(ScriptedEngine):
    """Loudness below 50 is English, from 50 on Mandarin, and 20 or 70 are unclear."""

    def transcribe_batch(self, clips: Any) -> list[ClipResult | Again | AsrError]:
        outcomes = ScriptedEngine.transcribe_batch(self, clips)
        return [_spoken(clip, o) for clip, o in zip(clips, outcomes, strict=True)]


def _spoken(clip: Clip, outcome: ClipResult | Again | AsrError) -> ClipResult | Again | AsrError:
    assert isinstance(outcome, ClipResult)
    level = float(clip.samples.max()) * 100
    language = "en" if level < 50 else "zh"
    unclear = round(level) in (20, 70)
    chosen, p = (clip.expected or language, 0.3) if unclear else (language, 0.95)
    return replace(outcome, language=chosen, language_probability=p)


async def recognized(*levels: int) -> tuple[Transcript, Bilingual]:
    engine = Bilingual()
    sound = [slot for level in levels for slot in [level] * 20 + PAUSE]
    async with service(engine) as transcriber:
        wanted = options(language=None)
        return await transcriber.transcribe(recording(sound), wanted, Caller()), engine


async def test_every_segment_has_the_language_of_its_piece() -> None:
    transcript, _ = await recognized(30, 60, 65, 70)
    assert [s.language for s in transcript.segments] == ["en", "zh", "zh", "zh"]
    assert (transcript.language, transcript.language_probability) == ("zh", 0.95)


async def test_an_unclear_beginning_is_decoded_in_the_language_that_follows() -> None:
    transcript, engine = await recognized(20, 60, 60)
    assert [s.language for s in transcript.segments] == ["zh", "zh", "zh"]
    assert [s.start for s in transcript.segments] == sorted(s.start for s in transcript.segments)
    asked = [
        (round(float(c.samples.max()) * 100), c.expected) for call in engine.calls for c in call
    ]
    assert asked.count((20, None)) == asked.count((20, "zh")) == 1


async def test_a_beginning_that_stays_unclear_is_kept_as_it_was() -> None:
    transcript, engine = await recognized(20, 20)
    assert [s.language for s in transcript.segments] == ["en", "en"]
    assert len(engine.calls) == 2
