"""Caption rooms: one process, and several that meet in one store."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.caption_rooms import Reader, final, partial, reading, replicas
from tests.support.waiting import until
from zhiyin.core.captions.log import CaptionLog, captions, segments
from zhiyin.core.captions.room import RoomLimits
from zhiyin.core.captions.rooms import Rooms
from zhiyin.core.captions.subscribers import Subscription
from zhiyin.domain.caller import Caller
from zhiyin.domain.captions import Caption, CaptionMessage, Ended, is_room, parse_room
from zhiyin.domain.errors import InvalidRequest, Overloaded, SlowReader
from zhiyin.domain.live import Final, Warned
from zhiyin.store.captions_memory import MemoryCaptions


async def test_viewers_see_what_is_said() -> None:
    async with replicas(MemoryCaptions()) as (rooms,), reading(rooms, "hall") as viewer:
        speaker = await rooms.speak("hall", Caller())
        speaker.publish(partial(0, "text "))
        await until(lambda: bool(viewer.told))
        speaker.publish(final(0))
        speaker.publish(Warned("slower", "Slower."))
        await speaker.finish()
        await until(lambda: viewer.ended)
        assert [type(t) for t in viewer.told] == [Caption, Caption, Warned, Ended]
        first, second = viewer.told[:2]
        assert isinstance(first, Caption)
        assert (first.id, first.text, first.stable, first.final) == (0, "text perhaps", "text ", 0)
        assert second == Caption(0, "text 0", "text 0", True, 0, 0.9, "en")
        assert viewer.warned == 0


async def test_who_comes_late_gets_the_history() -> None:
    async with replicas(MemoryCaptions()) as (rooms,):
        speaker = await rooms.speak("hall", Caller())
        speaker.publish(final(0))
        async with reading(rooms, "hall") as late:
            assert late.texts == ["text 0"]
            speaker.publish(final(1))
            await late.has("text 0", "text 1")
        await speaker.finish()
        async with reading(rooms, "hall") as later, reading(rooms, "other") as elsewhere:
            assert later.texts == ["text 0", "text 1"]
            assert elsewhere.texts == []


async def test_the_next_speaker_counts_on() -> None:
    async with replicas(MemoryCaptions()) as (rooms,):
        for _ in range(2):
            speaker = await rooms.speak("hall", Caller())
            speaker.publish(final(0))
            speaker.publish(final(1))
            await speaker.finish()
        assert [c.id for c in captions(await rooms.history("hall"))] == [0, 1, 2, 3]


async def test_a_second_speaker_is_refused() -> None:
    store = MemoryCaptions()
    async with replicas(store, store) as (here, there):
        first = await here.speak("hall", Caller())
        for rooms in (here, there):
            with pytest.raises(InvalidRequest) as refused:
                await rooms.speak("hall", Caller())
            assert refused.value.code == "room_taken"
        await first.finish()
        second = await there.speak("hall", Caller())
        await first.finish()  # again: it is not its place any more
        with pytest.raises(InvalidRequest):
            await here.speak("hall", Caller())
        await second.finish()


async def test_of_many_at_once_one_may_speak() -> None:
    store = MemoryCaptions()
    async with replicas(store, store) as both:
        tries = [rooms.speak("hall", Caller()) for rooms in both for _ in range(5)]
        won = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(w, InvalidRequest) for w in won) == 9
        for speaker in won:
            if not isinstance(speaker, BaseException):
                await speaker.finish()


async def test_replicas_see_the_same() -> None:
    store = MemoryCaptions()
    async with replicas(store, store, store) as (here, there, third):
        async with reading(here, "hall") as near, reading(there, "hall") as far:
            speaker = await here.speak("hall", Caller())
            speaker.publish(partial(0))
            speaker.publish(final(0))
            await until(lambda: bool(far.told))
            async with reading(third, "hall") as late:
                speaker.publish(final(1))
                await speaker.finish()
                for reader in (near, far, late):
                    await until(lambda reader=reader: reader.ended)  # type: ignore[misc]
                    assert reader.texts == ["text 0", "text 1"]
        for rooms in (here, there, third):
            assert [c.text for c in captions(await rooms.history("hall"))] == ["text 0", "text 1"]


async def test_a_place_that_was_lost_ends_the_speech() -> None:
    """As when a process was suspended for longer than its lease."""
    store = MemoryCaptions(lease_s=30)
    async with replicas(store, store) as (here, there), reading(here, "hall") as viewer:
        first = await here.speak("hall", Caller())
        first.publish(final(0))
        await until(lambda: bool(viewer.texts))
        await asyncio.sleep(0.05)
        store._rooms["hall"].held_until = 0.0
        second = await there.speak("hall", Caller())
        reader = Reader((), first.inbox)
        await until(lambda: reader.error is not None)
        assert reader.error is not None
        assert reader.error.code == "room_taken"
        finishing = asyncio.create_task(first.finish())
        second.publish(final(0, "by the second"))
        await viewer.has("text 0", "by the second")
        await second.finish()
        await finishing


async def test_a_slow_viewer_gets_every_final_and_the_newest_partial() -> None:
    viewer = Subscription(10)
    for number in range(8):
        for seq in range(50):
            viewer.put(Caption(number, f"{number} {seq}", "", False, 0, 1, ""))
        if number < 7:
            viewer.put(Caption(number, f"{number}", f"{number}", True, 0, 1, ""))
    reader = Reader((), viewer)
    await until(lambda: len(reader.told) == 8)
    shown = [t.text for t in reader.told if isinstance(t, Caption)]
    assert shown == ["0", "1", "2", "3", "4", "5", "6", "7 49"]
    reader.stop()


async def test_a_viewer_that_never_reads_is_told_so_and_harms_nobody() -> None:
    limits = RoomLimits(waiting=20)
    async with (
        replicas(MemoryCaptions(), limits=limits) as (rooms,),
        reading(rooms, "hall") as good,
        rooms.subscribe("hall") as (_, lazy),
    ):
        speaker = await rooms.speak("hall", Caller())
        for number in range(100):
            speaker.publish(final(number))
            await asyncio.sleep(0)
        assert len(lazy._waiting) == 0
        with pytest.raises(SlowReader) as late:
            await anext(lazy.events())
        assert late.value.code == "too_slow"
        await good.has(*(f"text {number}" for number in range(100)))
        await speaker.finish()


async def test_rooms_and_viewers_are_limited() -> None:
    limits = RoomLimits(max_rooms=2, max_viewers=2)
    async with replicas(MemoryCaptions(), limits=limits) as (rooms,):
        async with reading(rooms, "one"), reading(rooms, "one"), reading(rooms, "two"):
            with pytest.raises(Overloaded):
                await rooms.subscribe("one").__aenter__()
            with pytest.raises(Overloaded):
                await rooms.subscribe("three").__aenter__()
            speakers = [await rooms.speak(name, Caller()) for name in ("one", "two")]
            for name in ("three", "four"):
                with pytest.raises(Overloaded):
                    await rooms.speak(name, Caller())
            for speaker in speakers:
                await speaker.finish()
        async with reading(rooms, "three"):
            pass
        assert not rooms._rooms


async def test_viewers_of_made_up_rooms_keep_nobody_out() -> None:
    """Neither speakers, nor the viewers of those, on other servers too."""
    store, limits = MemoryCaptions(), RoomLimits(max_rooms=2)
    async with (
        replicas(store, store, limits=limits) as (here, there),
        reading(here, "a"),
        reading(here, "b"),
    ):
        speakers = [await here.speak("near", Caller()), await there.speak("far", Caller())]
        for speaker in speakers:
            speaker.publish(final(0))
        await until(lambda: store.history("far"))
        async with reading(here, "near") as near, reading(here, "far") as far:
            assert (near.texts, far.texts) == (["text 0"], ["text 0"])
            with pytest.raises(Overloaded):
                await here.subscribe("c").__aenter__()
            with pytest.raises(Overloaded):
                await here.speak("c", Caller())
            async with reading(here, "a") as again:
                assert again.texts == []
        for speaker in speakers:
            await speaker.finish()


async def test_a_speaker_who_was_refused_leaves_no_room() -> None:
    store, limits = MemoryCaptions(), RoomLimits(max_rooms=1)
    async with replicas(store, limits=limits) as (rooms,):
        for name in "abc":  # as when no live session is free
            await (await rooms.speak(name, Caller())).finish()


async def test_the_record_is_bounded() -> None:
    limits = RoomLimits(history=3)
    async with replicas(MemoryCaptions(history=3), limits=limits) as (rooms,):
        speaker = await rooms.speak("hall", Caller())
        for number in range(10):
            speaker.publish(final(number))
        async with reading(rooms, "hall") as late:
            assert late.texts == ["text 7", "text 8", "text 9"]
        await speaker.finish()


async def test_a_silent_room_is_forgotten() -> None:
    now = [0.0]
    store = MemoryCaptions(history_s=100, lease_s=30, clock=lambda: now[0])
    rooms = Rooms(store, RoomLimits(history_s=100), clock=lambda: now[0])
    async with reading(rooms, "hall"):  # somebody stays
        speaker = await rooms.speak("hall", Caller())
        speaker.publish(final(0))
        await speaker.finish()
        now[0] = 99.0
        async with reading(rooms, "hall") as late:
            assert late.texts == ["text 0"]
        now[0] = 101.0
        async with reading(rooms, "hall") as later:
            assert later.texts == []
        assert await rooms.history("hall") == ()
        speaker = await rooms.speak("hall", Caller())
        speaker.publish(final(0))
        assert [c.id for c in captions(await rooms.history("hall"))] == [1]
        await speaker.finish()
    assert not rooms._rooms
    await rooms.close()


async def test_what_says_nothing_is_shown_but_not_kept() -> None:
    async with replicas(MemoryCaptions()) as (rooms,), reading(rooms, "hall") as viewer:
        speaker = await rooms.speak("hall", Caller())
        speaker.publish(partial(0))
        speaker.publish(Final(0, "", 0, 1, "en", 0.0, "vad"))
        await speaker.finish()
        await until(lambda: viewer.ended)
        assert await rooms.history("hall") == ()
        assert viewer.texts[-1:] == [""]


async def test_a_private_speaker_is_heard_by_nobody_else() -> None:
    async with replicas(MemoryCaptions()) as (rooms,):
        speaker = rooms.private()
        reader = Reader((), speaker.inbox)
        speaker.publish(final(0))
        await speaker.finish()
        await until(lambda: reader.ended)
        assert reader.texts == ["text 0"]
        assert not rooms._rooms


def test_each_speaker_goes_on_where_the_last_ended() -> None:
    def post(talk: int, number: int, start: float, end: float) -> CaptionMessage:
        return CaptionMessage("a", talk, Caption(number, f" {number} ", "", True, start, end, ""))

    said = [post(0, 0, 3, 5), post(0, 1, 6, 8), post(1, 2, 1, 2), post(1, 3, 4, 6)]
    assert [(s.start, s.end) for s in segments(said)] == [(3, 5), (6, 8), (9, 10), (12, 14)]
    assert [s.text for s in segments(said)] == ["0", "1", "2", "3"]
    assert segments([]) == ()


def test_a_record_takes_what_was_said_before() -> None:
    def post(replica: str, number: int) -> CaptionMessage:
        return CaptionMessage(replica, 0, Caption(number, "x", "x", True, 0, 1, ""))

    record = CaptionLog(4)
    assert record.add(post("here", 10))
    assert not record.add(post("here", 10))
    assert not record.add(post("here", 9))
    record.put_before([post("there", 0), post("there", 1), post("here", 10)])
    assert [p.replica for p in record] == ["there", "there", "here"]
    assert record.next_id == 11
    record.clear()
    assert (len(record), record.next_id) == (0, 11)


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a/b", "../x", "a\r\nSet-Cookie: x=1", "a\n", "厅", "x" * 65, "a.b", "{a}", "a:b",
     "a\x00", "*", "a%0d%0a", "Ａ"],
)  # fmt: skip
def test_names_can_carry_nothing(name: str) -> None:
    assert not is_room(name)
    with pytest.raises(InvalidRequest):
        parse_room(name)


def test_decent_names_are_rooms() -> None:
    assert all(map(is_room, ("a", "main-hall_1", "x" * 64, "007", "-", "_")))
