"""Live sessions over an engine that streams: sound is given to it once, and all promises hold."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tests.support.live_stack import LiveStack, Reader, idle, live_stack, said, silence, write
from tests.support.waiting import until
from zhiyin.core.live.live_session import LiveSession
from zhiyin.domain.live import Done, Final, Partial, SpeechEnded, SpeechStarted
from zhiyin.engines.scripted import SLOT, ScriptedStreamingEngine


def streaming(h: LiveStack) -> ScriptedStreamingEngine:
    assert isinstance(h.engine, ScriptedStreamingEngine)
    return h.engine


async def speak(session: LiveSession, level: int, seconds: float) -> None:
    """A tenth of a second at a time, each heard before the next comes."""
    for _ in range(round(seconds * 10)):
        await write(session, said(level, 0.1))
        await until(lambda: idle(session))


async def test_sound_is_given_to_the_engine_once() -> None:
    async with live_stack(ScriptedStreamingEngine()) as h:
        session = await h.open()
        reader = Reader(session)
        await speak(session, 10, 1.5)
        await write(session, silence())
        await speak(session, 20, 1.5)
        await session.finish()
        await reader.task
        assert [{*f.text.split()} for f in reader.of(Final)] == [{"t10"}, {"t20"}]
        assert not any(f.degraded for f in reader.of(Final))
        assert len(reader.of(Partial)) > 6, "a partial for every 0.2 s"
        assert isinstance(reader.events[-1], Done)
        starts = [e.start for e in reader.of(SpeechStarted)]
        ends = [e.end for e in reader.of(SpeechEnded)]
        context = 0.7  # a clip begins a second before the speech, a segment 0.3 s
        most = sum(b - a + context for a, b in zip(starts, ends, strict=True))
        assert streaming(h).fed <= (most + 0.1) * 16_000
        assert (streaming(h).opened, streaming(h).ended) == (2, 2)


async def test_no_final_is_worked_on_in_a_pause() -> None:
    async with live_stack(ScriptedStreamingEngine()) as h:
        session = await h.open(partials=False)
        reader = Reader(session)
        await write(session, said(10))
        await write(session, silence(0.3))
        await write(session, said(20))
        await write(session, silence(0.6))
        await until(lambda: reader.of(Final))
        assert {*reader.of(Final)[0].text.split()} == {"t10", "t20"}
        assert streaming(h).opened == 1


@pytest.mark.parametrize("mood", ["fail", "crash", "die"])
async def test_a_stream_that_fails_in_mid_segment_is_begun_anew(mood: str) -> None:
    async with live_stack(ScriptedStreamingEngine()) as h:
        session = await h.open()
        reader = Reader(session)
        await speak(session, 10, 1.0)
        h.engine.moods = [mood]
        await speak(session, 20, 1.0)
        assert not h.engine.moods
        await session.commit()
        await until(lambda: reader.of(Final))
        (final,) = reader.of(Final)
        assert ({*final.text.split()}, final.degraded) == ({"t10", "t20"}, False)
        assert final.text.split().count("t10") == 10
        assert streaming(h).opened == streaming(h).ended == 2


async def test_speech_without_a_pause_is_split_and_nothing_is_lost_or_repeated() -> None:
    async with live_stack(ScriptedStreamingEngine()) as h:
        session = await h.open()
        reader = Reader(session)
        for level in range(1, 41):
            await write(session, np.full(10 * SLOT, level / 100, np.float32))
            await until(lambda: idle(session))
        await session.finish()
        await reader.task
        assert [f.reason for f in reader.of(Final)] == ["split", "eof"]
        said_words = " ".join(f.text for f in reader.of(Final)).split()
        for level in range(1, 41):
            # The cut falls into a slot, which is then heard on both sides of it.
            assert 10 <= said_words.count(f"t{level}") <= 11


async def test_sessions_side_by_side_have_streams_of_their_own() -> None:
    async with live_stack(ScriptedStreamingEngine()) as h:
        sessions = [await h.open() for _ in range(3)]
        readers = [Reader(s) for s in sessions]
        await asyncio.gather(*(speak(s, 10 + i, 1.0) for i, s in enumerate(sessions)))
        await asyncio.gather(*(s.finish() for s in sessions))
        for i, reader in enumerate(readers):
            await reader.task
            assert {*reader.of(Final)[0].text.split()} == {f"t{10 + i}"}


async def test_a_client_that_leaves_in_mid_word_ends_its_stream() -> None:
    async with live_stack(ScriptedStreamingEngine()) as h:
        session = await h.open()
        await speak(session, 10, 1.0)
        await session.close()
        await until(lambda: streaming(h).ended == streaming(h).opened == 1)
        assert h.admissions == 0


async def test_what_is_abandoned_leaves_no_streams_behind() -> None:
    async with live_stack(ScriptedStreamingEngine()) as h:
        session = await h.open()
        for _ in range(8):
            await speak(session, 10, 0.5)
            await session.abandon(since=0)
        assert streaming(h).opened - streaming(h).ended <= 3
        await session.close()
        await until(lambda: streaming(h).ended == streaming(h).opened)
