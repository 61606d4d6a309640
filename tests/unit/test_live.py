"""A live session: what it promises when engines fail, clients leave and readers sleep."""

from __future__ import annotations

import asyncio
import gc
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.support import media
from tests.support.live_stack import (
    STEP_S,
    Reader,
    gated,
    idle,
    live_stack,
    said,
    silence,
    write,
)
from tests.support.waiting import until
from zhiyin.core.live.live_session import LiveSession
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import Clip, Plan
from zhiyin.domain.errors import Overloaded, SlowReader, TooLong, UnknownModel
from zhiyin.domain.live import AudioFormat, Done, Final, LiveOptions, Partial, SpeechStarted, Warned
from zhiyin.domain.options import DecodeOptions
from zhiyin.engines.scripted import ScriptedEngine


async def test_every_event_and_then_the_end() -> None:
    async with live_stack() as h:
        session = await h.open()
        reader = Reader(session)
        for level in (10, 20):
            await write(session, said(level, 1.5))
            await until(lambda: idle(session))
            await write(session, silence())
        await session.finish()
        await reader.task
        assert [{*f.text.split()} for f in reader.of(Final)] == [{"t10"}, {"t20"}]
        assert [f.reason for f in reader.of(Final)] == ["vad", "vad"]
        assert reader.events[-1] == Done(session.received_s, reader.of(Final)[-1].end, 2)
        assert reader.of(Partial)
        await session.close()
        assert (h.service.running, h.admissions) == (0, 0)


async def test_a_result_worked_on_ahead_is_the_final() -> None:
    async with live_stack() as h:
        session = await h.open(partials=False)
        reader = Reader(session)
        await write(session, said(10))
        await write(session, silence(0.3))
        await until(lambda: len(h.finals()) == 1 and idle(session))
        assert not reader.of(Final)
        await write(session, silence(0.3))
        await until(lambda: reader.of(Final))
        assert len(h.finals()) == 1
        assert not reader.of(Final)[0].degraded


async def test_speech_after_a_pause_makes_what_was_worked_on_ahead_a_hypothesis() -> None:
    async with live_stack() as h:
        session = await h.open(partials=False)
        reader = Reader(session)
        await write(session, said(10))
        await write(session, silence(0.3))
        await until(lambda: h.finals() and idle(session))
        opened = session._session._open
        assert opened is not None
        assert {*opened.agreement.view.unstable.split()} == {"t10"}
        await write(session, said(20, 0.5))
        await write(session, silence(0.6))
        await until(lambda: reader.of(Final))
        assert {*reader.of(Final)[0].text.split()} == {"t10", "t20"}
        assert not reader.of(Partial), "they were not wanted"


@pytest.mark.parametrize("mood", ["fail", "crash", "die"])
async def test_an_engine_that_fails_once_is_asked_again(mood: str) -> None:
    """Also when its thread dies, and the engine is started anew in the middle of a segment."""
    async with live_stack() as h:
        session = await h.open(partials=False)
        reader = Reader(session)
        await write(session, said(10))
        h.engine.moods = [mood]
        await session.commit()
        await until(lambda: reader.of(Final))
        (final,) = reader.of(Final)
        assert ({*final.text.split()}, final.degraded) == ({"t10"}, False)
        assert len(h.finals()) == 2


async def test_an_engine_that_fails_twice_gives_what_was_known() -> None:
    async with live_stack() as h:
        session = await h.open()
        reader = Reader(session)
        await write(session, said(10, 0.8))
        await until(lambda: reader.of(Partial))
        h.engine.moods = ["fail"] * 2
        await session.commit()
        await until(lambda: reader.of(Final))
        (final,) = reader.of(Final)
        assert ({*final.text.split()}, final.degraded) == ({"t10"}, True)
        await write(session, said(20))
        await session.commit()
        await until(lambda: len(reader.of(Final)) == 2)
        assert not reader.of(Final)[1].degraded


async def test_an_engine_that_fails_in_a_pause_is_not_asked_for_ever() -> None:
    """A pause may be long when only the client ends segments."""
    async with live_stack() as h:
        session = await h.open(partials=False, silence_s=None)
        reader = Reader(session)
        await write(session, said(10))
        h.engine.moods = ["fail"] * 2
        await write(session, silence(5.0))
        await until(lambda: idle(session))
        assert len(h.finals()) == 1
        await session.commit()
        await until(lambda: reader.of(Final))
        assert len(h.finals()) == 2
        assert reader.of(Final)[0].degraded


async def test_an_engine_that_was_given_up_is_loaded_again() -> None:
    """The session moves to the new one, though there is place for one model only."""
    async with live_stack() as h:
        session = await h.open(partials=False)
        reader = Reader(session)
        h.engine.moods = ["die"] * 4
        for level in (10, 20, 30):
            await write(session, said(level))
            await session.commit()
            await until(lambda: len(reader.of(Final)) == session.segments)
        assert [f.degraded for f in reader.of(Final)] == [True, True, False]
        assert len(h.schedulers) == 2
        assert h.admissions == 1


class Unplannable(ScriptedEngine):
    """Has a fault in the part that runs in the caller's thread."""

    def plan(self, clip: Clip) -> Plan:
        raise ZeroDivisionError


async def test_a_fault_of_an_engine_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    async with live_stack(Unplannable()) as h:
        session = await h.open()
        reader = Reader(session)
        await write(session, said(10))
        await session.finish()
        await reader.task
        assert reader.of(Final)[0].degraded
        assert "ZeroDivisionError" in caplog.text


async def test_a_client_that_leaves_in_mid_word_frees_everything() -> None:
    engine, gate = gated()
    async with live_stack(engine) as h:
        before = asyncio.all_tasks()
        session = await h.open()
        reader = Reader(session)
        await write(session, said(10))
        await until(lambda: engine.calls)
        assert h.admissions == 1
        await session.close()
        await session.close()
        await reader.task
        assert (h.service.running, h.admissions) == (0, 0)
        gone, was = weakref.ref(session), len(engine.calls)
        del session, reader
        gate.set()
        await until(lambda: asyncio.all_tasks() == before)
        await until(lambda: gc.collect() is not None and gone() is None)
        assert len(engine.calls) == was
        assert h.schedulers[0].queue.waiting == 0


async def test_what_waited_is_dropped_with_its_client() -> None:
    engine, gate = gated()
    async with live_stack(engine) as h:
        first, second = await h.open(), await h.open()
        for session in (first, second):
            await write(session, said(10))
            await session.commit()
        await until(lambda: engine.calls)
        await second.close()
        gate.set()
        await until(lambda: idle(first))
        assert len(h.finals()) + sum(c.draft for call in engine.calls for c in call) <= 2


async def test_reading_pauses_while_the_engine_is_behind() -> None:
    engine, gate = gated()
    async with live_stack(engine, max_waiting_s=10.0) as h:
        session = await h.open()
        reader = Reader(session)
        turn = np.concatenate([said(10, 3.0), silence()])
        feeding = asyncio.create_task(write(session, np.tile(turn, 30)))
        await until(lambda: session._session.waiting_s > 10.0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not feeding.done()
        assert session.received_s < 25.0
        assert session._session.held_s < 25.0
        gate.set()
        await feeding
        await session.finish()
        await reader.task
        assert len(reader.of(Final)) == 30


async def talk(session: LiveSession, turns: int) -> None:
    for _ in range(turns):
        await write(session, np.concatenate([said(10), silence()]))
        await until(lambda: idle(session))


async def test_who_reads_nothing_is_told_so_in_the_end() -> None:
    async with live_stack(max_events=12) as h:
        session = await h.open(partials=False)
        with pytest.raises(SlowReader):
            await talk(session, 30)
        assert not session._outbox
        with pytest.raises(SlowReader):
            await anext(session.events())


async def test_partials_give_way_and_nothing_else_does() -> None:
    async with live_stack(max_events=12) as h:
        session = await h.open()
        for level in (10, 20):
            for _ in range(10):
                await write(session, said(level))
                await until(lambda: idle(session))
            await write(session, silence())
        await session.finish()
        await until(lambda: idle(session))
        told = [type(e) async for e in session.events()]
    assert told.count(Partial) == 0
    assert told.count(SpeechStarted) == told.count(Final) == 2


async def test_a_partial_that_gave_way_before_it_began_is_not_waited_for() -> None:
    """Messages that have arrived are taken without a turn of the loop between them."""
    async with live_stack() as h:
        session = await h.open()
        reader = Reader(session)
        await write(session, said(10, 2 * STEP_S))  # the last of it makes the partial due
        assert [w.kind for w in session._tasks] == ["partial"]
        await session.commit()
        await until(lambda: reader.of(Final))
        await write(session, said(20, 0.8))
        await until(lambda: reader.of(Partial))
        assert {*reader.of(Partial)[0].unstable.split()} == {"t20"}


async def test_what_is_abandoned_is_not_decoded() -> None:
    engine, gate = gated()
    async with live_stack(engine) as h:
        session = await h.open(partials=False, silence_s=None)
        reader = Reader(session)
        other = await h.open(partials=False)
        await write(other, said(90))
        await other.commit()
        await until(lambda: engine.calls)  # it holds the engine
        await write(session, np.concatenate([said(10, 30.0), silence(0.3)]))
        assert session.segments == 2
        await session.abandon(0)
        await write(session, said(20))
        await session.commit()
        gate.set()
        await until(lambda: len(reader.of(Final)) == 3)
        assert [f.text for f in reader.of(Final)][:2] == ["", ""]
        assert {*reader.of(Final)[2].text.split()} == {"t20"}
        assert [round(c.samples.max(), 1) for c in h.finals()] == [0.9, 0.2]


async def test_a_slow_engine_gets_less_to_do() -> None:
    engine, gate = gated()
    async with live_stack(engine) as h:
        session = await h.open()
        reader = Reader(session)
        await write(session, said(10, 0.8))
        await until(lambda: len(engine.calls) == 1)
        h.clock.now = 1.0
        gate.set()
        await until(lambda: reader.of(Partial))
        await write(session, said(20, 2.5))
        await until(lambda: idle(session))
        assert len(engine.calls) == 1, "three times what the last one took has not passed"
        await write(session, said(20, STEP_S))
        await until(lambda: len(engine.calls) == 2)


async def test_the_language_of_earlier_segments_is_expected_of_the_next() -> None:
    async with live_stack() as h:
        session = await h.open(decode=DecodeOptions())
        reader = Reader(session)
        for seconds in (1.0, 3.0, 1.0):
            await write(session, said(10, seconds))
            await session.commit()
            await until(lambda: len(reader.of(Final)) == session.segments)
    first, *others = h.finals()
    assert {c.options.language for c in (first, *others)} == {None}, "another may be spoken later"
    assert (first.expected, {c.expected for c in others}) == (None, {"en"})
    assert {f.language for f in reader.of(Final)} == {"en"}


async def test_there_are_only_so_many_places() -> None:
    async with live_stack(max_sessions=2) as h:
        wanted = [h.open() for _ in range(5)]  # while the engine is being loaded
        opened = await asyncio.gather(*wanted, return_exceptions=True)
        sessions = [o for o in opened if isinstance(o, LiveSession)]
        assert len(sessions) == 2
        assert all(isinstance(o, LiveSession | Overloaded) for o in opened)
        await sessions[0].close()
        await (await h.open()).close()


async def test_a_wish_that_cannot_be_met_takes_no_place() -> None:
    async with live_stack(max_sessions=1) as h:
        for _ in range(3):
            with pytest.raises(UnknownModel):
                await h.open(model="nobody")
        await h.open()


async def test_a_session_may_last_so_long() -> None:
    async with live_stack(max_seconds=2.0) as h:
        session = await h.open()
        reader = Reader(session)
        await write(session, said(10, 1.9))
        with pytest.raises(TooLong):
            await write(session, said(10, 0.2))
        await session.finish()
        await reader.task
        assert {*reader.of(Final)[0].text.split()} == {"t10"}


class CountingPool(ThreadPoolExecutor):
    """Counts its calls."""

    calls = 0

    def submit(self, *call: Any, **more: Any) -> Future[Any]:
        self.calls += 1
        return super().submit(*call, **more)


async def test_a_step_is_decoded_and_searched_for_speech_in_one_call() -> None:
    async with live_stack() as h:
        pool = CountingPool(1)
        h.service._pool = pool
        session = await h.open()
        await write(session, said(10, 4 * STEP_S))
        assert pool.calls == 4
        assert session.received_s == pytest.approx(4 * STEP_S)
        pool.shutdown()


async def test_a_session_closed_in_mid_write_is_no_fault_of_the_client() -> None:
    """Its decoder is closed under the thread that decodes."""
    async with live_stack() as h:
        audio_format = AudioFormat("ogg")
        session = await h.service.open(LiveOptions(), audio_format, Caller())
        writing = asyncio.create_task(session.write(media.recorded(said(10, 20.0), "ogg")))
        await until(lambda: session.received.bytes)
        await session.close()
        await writing
        await session.write(b"more")


async def test_half_a_sample_at_the_end_is_a_warning() -> None:
    async with live_stack() as h:
        session = await h.open()
        reader = Reader(session)
        await session.write(said(10).tobytes() + b"\1\2")
        await session.finish()
        await reader.task
        (warned,) = reader.of(Warned)
        assert (warned.code, session.received.bytes) == ("incomplete_sample", 64_000)


async def test_a_service_that_stops_ends_its_sessions() -> None:
    async with live_stack() as h:
        reader = Reader(await h.open())
        await write(reader.session, said(10))
        await h.service.close()
        await reader.task
        await write(reader.session, said(10))
        assert h.admissions == 0
