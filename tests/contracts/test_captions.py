"""Every caption store keeps the promises of `ports.captions`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.caption_rooms import said
from tests.support.valkey import Valkey
from tests.support.waiting import until
from zhiyin.core.tasks import SWALLOWED_S, cancel_all
from zhiyin.domain.captions import Caption, CaptionMessage, CaptionsErased, Ended
from zhiyin.domain.errors import ConfigError, Unavailable
from zhiyin.domain.live import Warned
from zhiyin.ports.captions import CaptionStore
from zhiyin.store.captions_memory import MemoryCaptions
from zhiyin.store.captions_redis import RedisCaptions
from zhiyin.store.cipher_plain import PlainRing

LEASE_S = 0.5
Make = Callable[..., CaptionStore]


def thought(number: int, *, replica: str = "a") -> CaptionMessage:
    return CaptionMessage(
        replica, 0, Caption(number, "per haps", "per", False, number, number + 0.5, "")
    )


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest_asyncio.fixture(params=["memory", "redis"])
async def make(request: pytest.FixtureRequest, valkey: Valkey) -> AsyncIterator[Make]:
    """Makes a store with rooms of its own (every test uses other databases)."""
    made: list[CaptionStore] = []
    database = abs(hash(request.node.name)) % 16

    def store(*, history: int = 5, history_s: float = 60.0) -> CaptionStore:
        if request.param == "memory":
            made.append(MemoryCaptions(history=history, history_s=history_s, lease_s=LEASE_S))
        else:
            url = valkey.url.removesuffix("0") + str(database)
            found = RedisCaptions(
                url, PlainRing(), history=history, history_s=history_s, lease_s=LEASE_S
            )
            made.append(found)
        return made[-1]

    yield store
    for store_ in made:
        await store_.close()
    valkey.empty()


async def test_a_room_has_one_speaker(make: Make) -> None:
    store = make()
    assert await store.claim("hall", "a")
    assert not await store.claim("hall", "b")
    assert await store.claim("hall", "a")
    assert await store.claim("other", "b")
    await store.release("hall", "b")
    assert not await store.claim("hall", "b")
    await store.release("hall", "a")
    assert await store.claim("hall", "b")


async def test_a_place_that_is_not_kept_up_falls_free(make: Make) -> None:
    store = make()
    assert await store.claim("hall", "a")
    await until(lambda: store.claim("hall", "b"))
    assert not await store.publish("hall", "a", said(0))
    assert await store.history("hall") == ()


async def test_publishing_keeps_the_place(make: Make) -> None:
    store = make()
    assert await store.claim("hall", "a")
    for number in range(10):
        await asyncio.sleep(LEASE_S / 5)
        assert await store.publish("hall", "a", thought(number))
    assert not await store.claim("hall", "b")


async def test_only_the_holder_publishes(make: Make) -> None:
    store = make()
    assert not await store.publish("hall", "a", said(0))
    assert await store.claim("hall", "a")
    assert await store.publish("hall", "a", said(0))
    assert not await store.publish("hall", "b", said(1, replica="b"))
    assert await store.history("hall") == (said(0),)


async def test_the_record_is_bounded(make: Make) -> None:
    store = make(history=3)
    assert await store.claim("hall", "a")
    for number in range(7):
        await store.publish("hall", "a", thought(number))
        await store.publish("hall", "a", said(number))
    assert await store.history("hall") == (said(4), said(5), said(6))
    assert await store.history("other") == ()


async def test_the_record_is_forgotten(make: Make) -> None:
    store = make(history_s=0.3)
    assert await store.claim("hall", "a")
    await store.publish("hall", "a", said(0))

    async def forgotten() -> bool:
        return not await store.history("hall")

    await until(forgotten)
    async with aclosing(store.follow("hall")) as batches:
        assert await anext(batches) == ()


async def test_nothing_is_recorded_twice(make: Make) -> None:
    """As after a broken connection: what may have arrived is sent again, from the start."""
    store = make(history=10)
    assert await store.claim("hall", "a")
    for number in (0, 1, 0, 1, 2, 2):
        assert await store.publish("hall", "a", said(number))
    assert await store.publish("hall", "a", said(0, talk=1))
    for number in (0, 1, 2, 3):
        assert await store.publish("hall", "a", said(number))
    assert [p.turn for p in await store.history("hall")] == [0, 0, 0, 1, 0]


async def test_others_hear_everything_in_order(make: Make) -> None:
    store = make()
    assert await store.claim("hall", "a")
    await store.publish("hall", "a", said(0, text="你好, <b>&\"' \\ \n \U0001f600"))
    expected = [
        thought(1), said(1), CaptionMessage("a", 0, Warned("slow", "Slower.")), said(2),
        CaptionMessage("a", 0, Ended()),
    ]  # fmt: skip
    async with aclosing(store.follow("hall")) as batches, aclosing(store.follow("other")) as quiet:
        (first,) = await anext(batches)
        assert await anext(quiet) == ()
        silence = asyncio.ensure_future(anext(quiet))
        for post in expected:
            await store.publish("hall", "a", post)
        heard = [(await anext(batches))[0] for _ in expected]
        assert not silence.done()
        silence.cancel()
        await asyncio.gather(silence, return_exceptions=True)
    assert first == said(0, text="你好, <b>&\"' \\ \n \U0001f600")
    assert heard == expected


async def test_what_is_published_while_one_comes_is_not_missed(make: Make) -> None:
    store = make(history=1000)
    assert await store.claim("hall", "a")
    count = 200

    async def publish() -> None:
        for number in range(count):
            await store.publish("hall", "a", said(number))
            await asyncio.sleep(0)

    async def follow() -> None:
        seen: set[CaptionMessage] = set()
        async with aclosing(store.follow("hall")) as batches:
            async for batch in batches:
                seen.update(batch)
                if said(count - 1) in seen:
                    break
        assert seen == {said(number) for number in range(count)}

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(publish())
        for _ in range(10):
            await asyncio.sleep(0.005)
            group.create_task(follow())


async def test_it_answers(make: Make) -> None:
    await make().check()


def test_memory_forgets_the_room_that_was_silent_longest() -> None:
    async def run() -> None:
        now = [1000.0]
        store = MemoryCaptions(max_rooms=2, lease_s=1, clock=lambda: now[0])
        for room in ("first", "second", "third"):
            now[0] += 10
            assert await store.claim(room, "a")
            assert await store.publish(room, "a", said(0))
            await store.release(room, "a")
        for room in ("nobody", "spoke", "here"):
            async with aclosing(store.follow(room)) as batches:
                assert await anext(batches) == ()
        kept = [room for room in ("first", "second", "third") if await store.history(room)]
        assert kept == ["second", "third"]
        assert set(store._rooms) <= {"first", "second", "third"}

    asyncio.run(run())


async def test_databases_of_one_server_are_apart(valkey: Valkey) -> None:
    first = RedisCaptions(valkey.url, PlainRing())
    second = RedisCaptions(valkey.url.removesuffix("0") + "1", PlainRing())
    heard: list[CaptionMessage] = []

    async def follow() -> None:
        async for batch in second.follow("hall"):
            heard.extend(batch)

    assert await first.claim("hall", "a")
    assert await second.claim("hall", "b")
    following = asyncio.create_task(follow())
    await asyncio.sleep(0.2)
    await first.publish("hall", "a", said(0))
    await second.publish("hall", "b", said(0, replica="b"))
    await until(lambda: bool(heard))
    await cancel_all([following], SWALLOWED_S)
    assert heard == [said(0, replica="b")]
    await first.close()
    await second.close()
    valkey.empty()


async def test_what_is_not_ours_is_passed_over(valkey: Valkey) -> None:
    store = RedisCaptions(valkey.url, PlainRing())
    assert await store.claim("odd", "a")
    others = valkey.client()
    for body in ("", "{", "[]", '{"replica":"x","talk":0,"kind":"caption","told":{"evil":1}}'):
        others.xadd("zhiyin:captions:{odd}:record", {"body": body})
    async with aclosing(store.follow("odd")) as batches:
        assert await anext(batches) == ()
        others.publish("zhiyin:captions:{odd}:told@0", "no json")
        await store.publish("odd", "a", said(0))
        assert await anext(batches) == (said(0),)
    assert await store.history("odd") == (said(0),)
    await store.close()
    others.close()
    valkey.empty()


async def test_an_absent_server_is_said_so() -> None:
    store = RedisCaptions("redis://127.0.0.1:1/0", PlainRing(), timeout_s=0.5)
    for call in (store.check(), store.claim("r", "a"), store.history("r")):
        with pytest.raises(Unavailable):
            await call
    with pytest.raises(Unavailable):
        await anext(store.follow("r"))
    await store.close()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:port/0", "http://127.0.0.1"])
def test_a_wrong_address_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(ConfigError, match=r"captions\.url"):
        RedisCaptions(url, PlainRing())


def test_what_is_kept_expires(valkey: Valkey, tmp_path: Path) -> None:
    async def run() -> None:
        store = RedisCaptions(valkey.url, PlainRing(), history_s=100, lease_s=10)
        assert await store.claim("brief", "a")
        await store.publish("brief", "a", said(0))
        with valkey.client() as client:
            left_s: Any = [client.ttl(key) for key in client.scan_iter("*brief*")]
        assert left_s
        assert min(left_s) > 0
        await store.close()
        valkey.empty()

    asyncio.run(run())


async def test_an_owners_captions_are_erased(make: Make) -> None:
    store = make(history=50)
    for room in ("hall", "cellar"):
        assert await store.claim(room, "a")
        for number in range(4):
            post = replace(said(number, talk=number % 2), owner=("ann", "bob")[number % 2])
            assert await store.publish(room, "a", post)
    before = await store.history("hall")
    async with aclosing(store.follow("hall")) as batches:
        await anext(batches)
        assert await store.erase("ann") == 4
        (told,) = await anext(batches)
    assert told.event == CaptionsErased("ann")
    for room in ("hall", "cellar"):
        assert await store.history(room) == (before[1], before[3])
    assert await store.erase("ann") == 0
    again = replace(said(5, talk=1), owner="bob")
    assert await store.publish("hall", "a", again)
    assert await store.history("hall") == (before[1], before[3], again)
    assert await store.erase("bob") == 5
    assert await store.history("hall") == ()
