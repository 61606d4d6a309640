"""The transcriber with the scripted engine: cutting and joining lose and repeat nothing."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tests.support.scripted_engine import options, recording, service
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import DeadlineExceeded, EngineFailed, TooLong
from zhiyin.domain.events import Finished, Progress, SegmentReady
from zhiyin.engines.scripted import ScriptedEngine


async def test_every_slot_is_heard_once_and_at_its_time() -> None:
    rng = np.random.default_rng(1)
    levels: list[int] = []
    while len(levels) < 3000:  # five minutes
        # Each loudness lasts 0.3 s: the engine's 0.1 s slots start anywhere inside it.
        levels += list(np.repeat(rng.integers(10, 90, int(rng.integers(2, 70))), 3))
        levels += [0] * int(rng.integers(1, 40))
    async with service(ScriptedEngine()) as transcriber:
        transcript = await transcriber.transcribe(recording(levels), options(), Caller())
    words = [w for s in transcript.segments for w in s.words]
    begun = [w.start for w in words]
    assert begun == sorted(begun)
    heard: dict[int, set[str]] = {}
    for word in words:
        for slot in (round(word.start * 10), int(word.start * 10)):
            heard.setdefault(slot, set()).add(word.text)
    for i, level in enumerate(levels):
        if level:
            near = set().union(*(heard.get(k, set()) for k in (i - 1, i, i + 1)))
            assert f"t{level}" in near, f"slot {i} was lost"
    assert transcript.duration == pytest.approx(len(levels) / 10, abs=0.1)


async def test_events_come_in_order_and_progress_grows() -> None:
    levels = ([30] * 100 + [0] * 30) * 6
    async with service(ScriptedEngine()) as transcriber:
        events = [e async for e in transcriber.stream(recording(levels), options(), Caller())]
    assert isinstance(events[0], Progress)
    assert isinstance(events[-1], Finished)
    done = [e.processed for e in events if isinstance(e, Progress)]
    assert done == sorted(done)
    ready = [e for e in events if isinstance(e, SegmentReady)]
    assert [e.index for e in ready] == list(range(len(ready)))
    assert tuple(e.segment for e in ready) == events[-1].transcript.segments


async def test_silence_gives_no_text_and_says_so() -> None:
    engine = ScriptedEngine()
    async with service(engine) as transcriber:
        transcript = await transcriber.transcribe(recording([0] * 100), options(), Caller())
    assert transcript.text == ""
    assert [n.code for n in transcript.notices] == ["no_speech"]
    assert engine.calls == []


async def test_a_sure_language_is_expected_of_the_rest() -> None:
    engine = ScriptedEngine()
    levels = ([30] * 100 + [0] * 30) * 4
    async with service(engine) as transcriber:
        transcript = await transcriber.transcribe(
            recording(levels), options(language=None), Caller()
        )
    clips = [clip for call in engine.calls for clip in call]
    assert {clip.options.language for clip in clips} == {None}, "another may be spoken later"
    assert [clip.expected for clip in clips] == [None, "en", "en", "en"]
    assert (transcript.language, transcript.language_probability) == ("en", 0.9)


async def test_the_deadline_is_kept() -> None:
    engine = ScriptedEngine(delay_s=0.5)
    async with service(engine) as transcriber:
        with pytest.raises(DeadlineExceeded):
            await transcriber.transcribe(
                recording(([30] * 100 + [0] * 30) * 9), options(), Caller(), timeout_s=0.7
            )
        await asyncio.sleep(1.0)
        assert len(engine.calls) <= 3


async def test_closing_a_stream_stops_the_work() -> None:
    engine = ScriptedEngine(delay_s=0.1)
    async with service(engine) as transcriber:
        run = transcriber.stream(recording(([30] * 100 + [0] * 30) * 20), options(), Caller())
        async for event in run:
            if isinstance(event, SegmentReady):
                break
        await run.aclose()
        begun = len(engine.calls)
        await asyncio.sleep(0.5)
        assert len(engine.calls) <= begun + 1 < 20


async def test_an_engine_error_reaches_the_caller_and_the_next_is_served() -> None:
    async with service(ScriptedEngine()) as transcriber:
        with pytest.raises(EngineFailed):
            await transcriber.transcribe(recording([30] * 20), options(prompt="crash"), Caller())
        good = await transcriber.transcribe(recording([30] * 20), options(), Caller())
        assert good.text.startswith("t30")


async def test_too_long_is_refused() -> None:
    async with service(ScriptedEngine(), max_seconds=5) as transcriber:
        with pytest.raises(TooLong):
            await transcriber.transcribe(recording([30] * 60), options(), Caller())


async def test_many_at_once_get_their_own_text() -> None:
    async with service(ScriptedEngine(max_batch=4)) as transcriber:
        levels = list(range(10, 50))
        texts = await asyncio.gather(
            *(
                transcriber.transcribe(recording([level] * 30), options(), Caller())
                for level in levels
            )
        )
    for level, transcript in zip(levels, texts, strict=True):
        assert set(transcript.text.split()) == {f"t{level}"}
