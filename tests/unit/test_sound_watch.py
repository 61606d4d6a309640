"""A client that stops sending, without silence: its segment ends soon after."""

from __future__ import annotations

import asyncio
import time

from tests.support.live_stack import Reader, live_stack, said, silence, write
from tests.support.waiting import until
from zhiyin.domain.live import Final, SpeechEnded


async def test_sound_that_stops_ends_the_segment() -> None:
    async with live_stack(no_sound_s=0.1) as stack:
        session = await stack.open()
        reader = Reader(session)
        await write(session, said(10, 1.0))
        await until(lambda: reader.of(Final))
        await write(session, said(20, 1.0))  # it goes on after all
        await until(lambda: len(reader.of(Final)) == 2)
        await session.finish()
        await reader.task
    first, second = reader.of(Final)
    assert (first.reason, second.reason) == ("vad", "vad")
    assert (set(first.text.split()), set(second.text.split())) == ({"t10"}, {"t20"})
    assert first.end == second.start


async def test_segments_that_the_client_ends_stay_open() -> None:
    async with live_stack(no_sound_s=0.05) as stack:
        manual, other = await stack.open(silence_s=None), await stack.open()
        by_hand, reader = Reader(manual), Reader(other)
        await write(manual, said(10))
        await write(other, said(10))
        await until(lambda: reader.of(Final))
        assert not by_hand.of(SpeechEnded)


async def test_who_sends_much_at_a_time_is_waited_for_longer() -> None:
    async with live_stack(no_sound_s=0.2) as stack:
        long, short = await stack.open(), await stack.open()
        slow, reader = Reader(long), Reader(short)
        await write(long, said(10, 3.0))
        for _ in range(30):
            await write(short, said(10, 0.1))
        await until(lambda: reader.of(Final))
        assert not slow.of(SpeechEnded)


async def test_a_longer_silence_is_waited_for() -> None:
    async with live_stack(no_sound_s=0.1) as stack:
        patient, hasty = await stack.open(silence_s=5.0), await stack.open(silence_s=0.1)
        slow, reader = Reader(patient), Reader(hasty)
        await write(patient, said(10, 0.3))
        await write(hasty, said(10, 0.3))
        await until(lambda: reader.of(Final))
        assert not slow.of(SpeechEnded)


async def test_a_server_that_was_held_up_blames_nobody() -> None:
    """What was sent meanwhile lies in the socket, and is read after the timers have run."""
    async with live_stack(no_sound_s=0.5) as stack:
        session = await stack.open()
        reader = Reader(session)
        await write(session, said(10, 0.2))
        time.sleep(1.5)  # noqa: ASYNC251
        for _ in range(10):
            await asyncio.sleep(0)
        await write(session, said(10, 0.5))
        await write(session, silence())
        await until(lambda: reader.of(Final))
        assert len(reader.of(SpeechEnded)) == 1


async def test_a_lost_connection_ends_no_segment() -> None:
    async with live_stack(no_sound_s=0.1) as stack:
        lost, other = await stack.open(), await stack.open()
        away, reader = Reader(lost), Reader(other)
        await write(lost, said(10, 0.3))
        lost.wait_for_client(connected=False)
        await write(lost, said(10, 0.1))  # the rest of its last message
        await write(other, said(10, 0.5))
        await until(lambda: reader.of(Final))
        assert not away.of(SpeechEnded)
        lost.wait_for_client(connected=True)
        await until(lambda: away.of(Final))
