"""Rooms of several processes over a real server that dies, freezes, forgets and comes back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.caption_rooms import Reader, final, partial, reading, replicas
from tests.support.valkey import Valkey
from tests.support.waiting import until
from zhiyin.core.captions.log import captions
from zhiyin.core.captions.room import LOCAL, RoomLimits
from zhiyin.core.captions.rooms import Rooms
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import InvalidRequest, Unavailable
from zhiyin.store.captions_redis import RedisCaptions
from zhiyin.store.cipher_plain import PlainRing

QUICK = RoomLimits(renew_s=0.2, history=50)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Valkey]:
    """One that loses everything when it dies."""
    server = Valkey(tmp_path, lasting=False)
    server.start()
    yield server
    server.kill()


def store(server: Valkey, lease_s: float = 0.6) -> RedisCaptions:
    return RedisCaptions(server.url, PlainRing(), history=50, lease_s=lease_s, timeout_s=0.5)


def texts(*numbers: int) -> list[str]:
    return [f"text {number}" for number in numbers]


async def said(rooms: Rooms, room: str = "hall") -> list[str]:
    return [c.text for c in captions(await rooms.history(room))]


async def said_again(rooms: Rooms) -> list[str]:
    """The same after an outage: a process that did not notice it has a dead connection at first."""
    async with asyncio.timeout(30):
        while True:
            with suppress(Unavailable):
                return await said(rooms)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", ["valkey", "forgetful"])
async def test_a_server_that_dies_costs_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    """Before, in and after the outage: all viewers get every final once and in order."""
    server: Valkey = request.getfixturevalue(kind)
    async with (
        replicas(store(server), store(server), limits=QUICK) as (here, there),
        reading(here, "hall") as near,
        reading(there, "hall") as far,
    ):
        speaker = await here.speak("hall", Caller())
        own = Reader((), speaker.inbox)
        speaker.publish(final(0))
        await far.has(*texts(0))
        server.kill()
        for number in range(1, 10):
            speaker.publish(partial(number))
            speaker.publish(final(number))
        await near.has(*texts(*range(10)))
        await until(lambda: near.warned == far.warned == own.warned == 1)
        async with reading(here, "hall") as late, reading(there, "hall") as far_late:
            await until(lambda: late.warned == far_late.warned == 1)
            assert late.texts == texts(*range(10))
            assert far_late.texts == texts(0)
            server.start()
            await far_late.has(*texts(*range(10)))
        await far.has(*texts(*range(10)))
        await until(lambda: not here._rooms["hall"]._degraded and not here.away)
        speaker.publish(final(10))
        await speaker.finish()
        for reader in (near, far):
            await until(lambda reader=reader: reader.ended)  # type: ignore[misc]
            assert reader.texts == texts(*range(11))
            assert reader.warned == 1
        assert own.warned == 1
    async with replicas(store(server)) as (third,):
        assert await said(third) == texts(*range(11))


async def test_every_outage_is_told_once(valkey: Valkey) -> None:
    async with replicas(store(valkey), limits=QUICK) as (rooms,), reading(rooms, "hall") as viewer:
        for outage in range(1, 4):
            valkey.kill()
            await until(lambda outage=outage: viewer.warned == outage)  # type: ignore[misc]
            await asyncio.sleep(0.5)
            valkey.start()
            await until(lambda: not rooms.away and not rooms._rooms["hall"]._degraded)
        assert viewer.warned == 3


async def test_a_server_that_freezes_stops_nobody(valkey: Valkey) -> None:
    """The commands that it had already taken are carried out when it wakes: still once each."""
    async with (
        replicas(store(valkey, 30), store(valkey, 30), limits=QUICK) as (here, there),
        reading(here, "hall") as near,
        reading(there, "hall") as far,
    ):
        speaker = await here.speak("hall", Caller())
        speaker.publish(final(0))
        await far.has(*texts(0))
        valkey.freeze()
        for number in range(1, 6):
            speaker.publish(final(number))
            await near.has(*texts(*range(number + 1)))
            await asyncio.sleep(0.2)
        await until(lambda: near.warned == 1)
        valkey.thaw()
        await far.has(*texts(*range(6)))
        speaker.publish(final(6))
        await far.has(*texts(*range(7)))
        await speaker.finish()
        assert await said(there) == texts(*range(7))


async def test_rooms_begin_without_the_server(valkey: Valkey) -> None:
    valkey.kill()
    async with (
        replicas(store(valkey), store(valkey), limits=QUICK) as (here, there),
        reading(here, "hall") as near,
        reading(there, "hall") as far,
    ):
        assert (near.texts, far.texts) == ([], [])
        speaker = await here.speak("hall", Caller())
        speaker.publish(final(0))
        await near.has(*texts(0))
        await until(lambda: near.warned == 1 and far.warned == 1)
        assert await said(here) == texts(0)
        with pytest.raises(Unavailable):
            await here.history("elsewhere")
        valkey.start()
        await far.has(*texts(0))
        speaker.publish(final(1))
        await far.has(*texts(0, 1))
        await speaker.finish()


async def test_what_was_said_in_an_outage_arrives_though_all_have_left(valkey: Valkey) -> None:
    async with replicas(store(valkey), store(valkey), limits=QUICK) as (here, there):
        first = await there.speak("hall", Caller())
        first.publish(final(0, "before"))
        await first.finish()
        valkey.kill()
        await until(lambda: here.away)
        speaker = await here.speak("hall", Caller())
        speaker.publish(final(0))
        await speaker.finish()
        valkey.start()
        async with reading(there, "hall") as far:
            await far.has("before", "text 0")
        await until(lambda: not here._rooms["hall"]._outbox and here._rooms["hall"].spare)
        assert await said(here) == ["before", "text 0"]


async def test_history_lost_by_the_server_is_given_back(forgetful: Valkey) -> None:
    async with replicas(store(forgetful), store(forgetful), limits=QUICK) as (here, there):
        first = await there.speak("hall", Caller())
        first.publish(final(0, "by another"))
        await first.finish()
        speaker = await here.speak("hall", Caller())
        for number in range(3):
            speaker.publish(final(number))
        async with reading(there, "hall") as far:
            await far.has("by another", *texts(0, 1, 2))
            forgetful.kill()
            await until(lambda: here.away)
            forgetful.start()
            speaker.publish(final(3))
            await far.has("by another", *texts(0, 1, 2, 3))
        await until(lambda: not here._rooms["hall"]._outbox)
        async with replicas(store(forgetful)) as (third,):
            assert await said(third) == ["by another", *texts(0, 1, 2, 3)]
        await speaker.finish()


async def test_two_who_spoke_apart_are_told_when_they_meet(valkey: Valkey) -> None:
    """Nobody could know; afterwards one goes on, and what the other said follows."""
    async with replicas(store(valkey), store(valkey), limits=QUICK) as (here, there):
        valkey.kill()
        await until(lambda: here.away and there.away)
        speakers = [await rooms.speak("hall", Caller()) for rooms in (here, there)]
        readers = [Reader((), speaker.inbox) for speaker in speakers]
        for which, speaker in enumerate(speakers):
            speaker.publish(final(0, f"said by {which}"))
        valkey.start()
        await until(lambda: any(reader.error is not None for reader in readers))
        loser = next(i for i, reader in enumerate(readers) if reader.error is not None)
        assert [reader.error is None for reader in readers].count(True) == 1
        await asyncio.gather(*(speaker.finish() for speaker in speakers))
        async with reading(here, "hall") as viewer:
            await until(lambda: sorted(viewer.texts) == ["said by 0", "said by 1"])
        async with replicas(store(valkey)) as (third,):

            async def all_there() -> bool:
                return await said(third) == [f"said by {1 - loser}", f"said by {loser}"]

            await until(all_there)


async def test_a_process_that_dies_frees_its_rooms(valkey: Valkey) -> None:
    async with replicas(store(valkey), limits=QUICK) as (rooms,):
        dead = store(valkey)
        assert await dead.claim("hall", "dead process")
        with pytest.raises(InvalidRequest):
            await rooms.speak("hall", Caller())

        async def free() -> bool:
            with suppress(InvalidRequest):
                await (await rooms.speak("hall", Caller())).finish()
                return True
            return False

        await until(free)
        await dead.close()


async def test_the_place_is_kept_through_silence(valkey: Valkey) -> None:
    async with replicas(store(valkey), limits=QUICK) as (rooms,):
        speaker = await rooms.speak("hall", Caller())
        other = store(valkey)
        for _ in range(15):
            assert not await other.claim("hall", "other")
            await asyncio.sleep(0.1)
        await speaker.finish()
        assert await other.claim("hall", "other")
        await other.close()


async def test_the_warning_comes_first_where_it_holds_already(valkey: Valkey) -> None:
    async with replicas(store(valkey), limits=QUICK) as (rooms,):
        valkey.kill()
        await until(lambda: rooms.away)
        speaker = await rooms.speak("hall", Caller())
        own = Reader((), speaker.inbox)
        speaker.publish(final(0))
        async with reading(rooms, "hall") as viewer:
            speaker.publish(final(1))
            await viewer.has(*texts(0, 1))
            assert viewer.told[0] == own.told[0] == LOCAL
            assert viewer.warned == own.warned == 1
        await speaker.finish()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["valkey", "forgetful"])
async def test_whatever_happens_nothing_is_lost(
    kind: str, seed: int, request: pytest.FixtureRequest
) -> None:
    """Speech, deaths, freezes and comings in any order: every viewer has every final once."""
    server: Valkey = request.getfixturevalue(kind)
    chance = random.Random(seed)
    said_so_far: list[str] = []
    async with (
        replicas(store(server, 30), store(server, 30), limits=QUICK) as (here, there),
        reading(here, "hall") as near,
        reading(there, "hall") as far,
    ):
        speaker = await here.speak("hall", Caller())
        for _ in range(25):
            for _ in range(chance.randrange(3)):
                number = len(said_so_far)
                speaker.publish(partial(number))
                speaker.publish(final(number))
                said_so_far.append(f"text {number}")
            await asyncio.sleep(chance.random() * 0.2)
            match chance.randrange(4):
                case 0:
                    server.freeze()
                    await asyncio.sleep(chance.random())
                    server.thaw()
                case 1:
                    server.kill()
                    await asyncio.sleep(chance.random() * 0.3)
                    server.start()
                case 2:
                    async with reading(chance.choice((here, there)), "hall") as passing:
                        assert passing.texts == said_so_far[: len(passing.texts)]
        await far.has(*said_so_far)
        await near.has(*said_so_far)
        await until(lambda: not here._rooms["hall"]._outbox and not here.away)
        assert await said(there) == said_so_far
        await speaker.finish()
    async with replicas(store(server)) as (third,):
        assert await said(third) == said_so_far


async def test_what_is_erased_is_gone_in_all_processes(valkey: Valkey) -> None:
    async with (
        replicas(store(valkey), store(valkey), store(valkey), limits=QUICK) as (here, there, third),
        reading(there, "hall") as far,
    ):
        speaker = await here.speak("hall", Caller("ann"))
        speaker.publish(final(0))
        speaker.publish(final(1))
        await far.has(*texts(0, 1))
        assert await third.erase("bob") == 0
        assert await third.erase("ann") == 2
        await until(lambda: not len(here._rooms["hall"].log))
        await until(lambda: not len(there._rooms["hall"].log))
        speaker.publish(final(2))
        await far.has(*texts(0, 1, 2))
        valkey.kill()
        valkey.start()
        await until(lambda: not here._rooms["hall"]._degraded and not here.away)
        speaker.publish(final(3))
        await far.has(*texts(0, 1, 2, 3))
        kept = await said_again(third)
        assert kept == texts(2, 3), "the speaker's server does not bring it back"
        await speaker.finish()
