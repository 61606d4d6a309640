"""Every cache keeps the promises of `ports.cache`."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.support.valkey import Valkey, valkey
from zhiyin.domain.errors import ConfigError, Unavailable
from zhiyin.ports.cache import Cache
from zhiyin.store.cache_memory import MemoryCache
from zhiyin.store.cache_redis import RedisCache
from zhiyin.store.cache_sealed import SealedCache
from zhiyin.store.cipher_aesgcm import AesRing, generate, parse_keys
from zhiyin.store.cipher_plain import PlainRing

LARGEST = 10_000
SEAL = 48  # bytes that sealing adds with a key of this name
PATIENT_S = 30.0
"""For an answer, where being away is not the question: the machine may be busy."""
Make = Callable[[float], Cache]
"""From the seconds that a value is kept to a cache."""


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@pytest.fixture(params=["memory", "redis", "sealed"])
async def make(request: pytest.FixtureRequest, server: Valkey) -> AsyncIterator[Make]:
    made: list[Cache] = []

    def one(ttl_s: float) -> Cache:
        if request.param == "memory":
            made.append(MemoryCache(1 << 20, ttl_s, LARGEST))
        elif request.param == "redis":
            made.append(RedisCache(server.url, ttl_s, LARGEST, PATIENT_S))
        else:
            inner = RedisCache(server.url, ttl_s, LARGEST + SEAL, PATIENT_S)
            made.append(SealedCache(inner, AesRing(parse_keys(generate("k1")))))
        return made[-1]

    yield one
    for cache in made:
        await cache.close()
    server.client().flushall()


def test_both_are_caches(make: Make) -> None:
    def asked(cache: Cache) -> Cache:
        return cache

    assert asked(make(60)) is not None


async def test_what_was_put_comes_back_to_its_owner_alone(make: Make) -> None:
    cache = make(60)
    assert await cache.get("ann", "k") is None
    await cache.put("ann", "k", b"\x00one\xff")
    await cache.put("bob", "k", b"two")
    assert await cache.get("ann", "k") == b"\x00one\xff"
    assert await cache.get("bob", "k") == b"two"
    assert await cache.get("ann", "other") is None
    await cache.put("ann", "k", b"three")
    assert await cache.get("ann", "k") == b"three"


async def test_an_erased_owner_has_nothing_and_the_others_everything(make: Make) -> None:
    cache = make(60)
    for i in range(2500):  # more than a step
        await cache.put("ann", f"{i}", b"x")
    await cache.put("bob", "k", b"two")
    await cache.put("ann*", "k", b"three")
    assert await cache.drop("ann") == 2500
    assert await cache.drop("ann") == 0
    assert await cache.get("ann", "7") is None
    assert await cache.get("bob", "k") == b"two"
    assert await cache.get("ann*", "k") == b"three"


async def test_values_go_after_their_time(make: Make) -> None:
    cache = make(0.05)
    await cache.put("ann", "k", b"one")
    end = asyncio.get_running_loop().time() + 30
    while await cache.get("ann", "k") is not None:
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)
    assert await cache.drop("ann") == 0


async def test_too_large_a_value_is_not_kept_nor_is_the_older_one(make: Make) -> None:
    cache = make(60)
    await cache.put("ann", "k", b"old")
    await cache.put("ann", "k", b"x" * (LARGEST + 1))
    assert await cache.get("ann", "k") is None
    await cache.put("ann", "k", b"x" * LARGEST)
    assert await cache.get("ann", "k") == b"x" * LARGEST


async def test_many_at_once(make: Make) -> None:
    cache = make(60)
    await asyncio.gather(*(cache.put("ann", f"{i}", b"%d" % i) for i in range(500)))
    found = await asyncio.gather(*(cache.get("ann", f"{i}") for i in range(500)))
    assert found == [b"%d" % i for i in range(500)]


async def test_callers_that_leave_mix_nothing_up(make: Make) -> None:
    """A connection on which an answer is still to come must not serve another caller."""
    cache = make(60)
    for i in range(50):
        await cache.put("ann", f"{i}", b"%d" % i)
    for turn in range(40):
        tasks = [asyncio.create_task(cache.get("ann", f"{i}")) for i in range(50)]
        for _ in range(turn % 8):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for i, task in enumerate(tasks):
            if not task.cancelled():
                assert task.result() == b"%d" % i
    found = await asyncio.gather(*(cache.get("ann", f"{i}") for i in range(50)))
    assert found == [b"%d" % i for i in range(50)]


async def test_memory_is_bounded_and_what_was_asked_for_stays() -> None:
    cache = MemoryCache(100_000, 60, LARGEST)
    for i in range(1000):
        await cache.put("ann", f"{i}", b"x" * 1000)
        assert await cache.get("ann", "0") is not None
        assert cache.held_bytes <= 100_000
    assert await cache.get("ann", "999") is not None
    assert await cache.get("ann", "1") is None


async def test_memory_goes_by_the_clock() -> None:
    now = 0.0
    cache = MemoryCache(100_000, 60, LARGEST, lambda: now)
    await cache.put("ann", "a", b"one")
    now = 30.0
    await cache.put("ann", "b", b"two")
    now = 59.9
    assert await cache.get("ann", "a") == b"one"
    now = 60.0
    assert await cache.get("ann", "a") is None
    assert await cache.get("ann", "b") == b"two"
    assert await cache.drop("ann") == 1


async def test_memory_is_freed_though_nobody_asks() -> None:
    cache = MemoryCache(100_000, 0.02, LARGEST)
    await cache.put("ann", "a", b"one")
    await asyncio.sleep(0.01)
    await cache.put("ann", "b", b"two")
    end = asyncio.get_running_loop().time() + 30
    while cache.held_bytes:
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)


async def test_redis_shows_no_owner_and_every_value_has_an_end(server: Valkey) -> None:
    cache = RedisCache(server.url, 60, LARGEST, PATIENT_S)
    await cache.put("ann@example.org", "k", b"one")
    with server.client() as client:
        (key,) = client.keys("*")
        assert b"ann" not in key
        assert 0 < client.pttl(key) <= 60_000
        client.delete(key)
    await cache.close()


async def test_sealed_values_open_in_their_place_alone(server: Valkey) -> None:
    new, old = generate("k2"), generate("k1")
    inner = RedisCache(server.url, 60, LARGEST, PATIENT_S)
    sealed, rotated, lost, plain = (
        SealedCache(inner, ring)
        for ring in (
            AesRing(parse_keys(old)), AesRing(parse_keys(f"{new},{old}")),
            AesRing(parse_keys(new)), PlainRing(),
        )
    )  # fmt: skip
    await sealed.put("ann", "k", b"said")
    raw = await inner.get("ann", "k")
    assert raw is not None
    assert b"said" not in raw
    assert await rotated.get("ann", "k") == b"said"
    assert [await cache.get("ann", "k") for cache in (lost, plain)] == [None, None]
    await inner.put("bob", "k", raw)
    await inner.put("ann", "other", raw)
    await inner.put("ann", "broken", raw[:-1])
    for owner, key in (("bob", "k"), ("ann", "other"), ("ann", "broken")):
        assert await sealed.get(owner, key) is None
    await plain.put("ann", "k", b"said")
    assert await sealed.get("ann", "k") is None, "it was kept before there was a key"
    await inner.close()


async def test_a_dead_redis_is_asked_once_and_found_again(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    cache = RedisCache(server.url, 60, LARGEST, PATIENT_S)
    try:
        await cache.put("ann", "k", b"one")
        server.kill()
        for _ in range(100):
            with pytest.raises(Unavailable):
                await cache.get("ann", "k")
        with pytest.raises(Unavailable):
            await cache.drop("ann")
        assert [r.getMessage() for r in caplog.records if r.name.startswith("zhiyin")] == [
            "the cache is away (ConnectionError); it is done without"
        ]
        server.start()
        await _back(cache)
        await cache.put("ann", "k", b"two")
        assert await cache.get("ann", "k") == b"two"
        assert caplog.records[-1].getMessage() == "the cache is back"
        server.kill()
        with pytest.raises(Unavailable):
            await cache.get("ann", "k")
    finally:
        await cache.close()
        server.start()


async def test_a_redis_that_says_nothing_counts_as_away() -> None:
    silent = await asyncio.start_server(_listen, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    cache = RedisCache(f"redis://127.0.0.1:{port}", 60, LARGEST, 0.05)
    async with silent:
        for _ in range(1000):  # of which only the first may take its time
            with pytest.raises(Unavailable):
                await cache.get("ann", "k")
        await cache.close()


async def test_waiting_for_a_connection_is_not_the_servers_fault() -> None:
    with valkey("--enable-debug-command", "local") as slow, slow.client() as client:
        cache = RedisCache(slow.url, 60, LARGEST, 1.5)
        await cache.put("ann", "k", b"one")
        await asyncio.gather(*(cache.get("ann", "k") for _ in range(32)))  # all are connected
        stop = threading.Event()

        def brake() -> None:
            while not stop.is_set():
                client.execute_command("DEBUG", "SLEEP", "0.4")

        braking = asyncio.create_task(asyncio.to_thread(brake))
        # As many as the connections have answers every 0.4 s; the last ones wait for two seconds.
        found = await asyncio.gather(*(cache.get("ann", "k") for _ in range(32 * 5)))
        stop.set()
        await braking
        assert found == [b"one"] * len(found)
        await cache.close()


async def test_a_full_redis_is_away_until_there_is_room() -> None:
    with valkey("--maxmemory", "1") as full:
        cache = RedisCache(full.url, 60, LARGEST, 1.0)
        with pytest.raises(Unavailable):
            await cache.put("ann", "k", b"one")
        with full.client() as client:
            client.config_set("maxmemory", "0")
        await _back(cache)
        await cache.put("ann", "k", b"one")
        assert await cache.get("ann", "k") == b"one"
        await cache.close()


async def test_a_redis_that_wants_a_password_gets_it_or_is_away() -> None:
    word = secrets.token_hex(8)
    with valkey("--requirepass", word) as locked:
        cache = RedisCache(locked.url, 60, LARGEST, 1.0)
        with pytest.raises(Unavailable):
            await cache.get("ann", "k")
        await cache.close()
        cache = RedisCache(locked.url.replace("//", f"//:{word}@"), 60, LARGEST, 1.0)
        await cache.put("ann", "k", b"one")
        assert await cache.get("ann", "k") == b"one"
        await cache.close()


@pytest.mark.parametrize("url", ["redis://host:port", "redis://h?nonsense=1", "http://h"])
def test_a_wrong_address_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(ConfigError):
        RedisCache(url, 60, LARGEST, 1.0)


async def _back(cache: Cache) -> None:
    end = asyncio.get_running_loop().time() + 30
    while True:
        try:
            await cache.get("ann", "none")
        except Unavailable:
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.05)
        else:
            return


async def _listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()
