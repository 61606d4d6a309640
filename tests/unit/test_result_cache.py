"""Result cache: one recognition serves all identical requests; a cancelled one harms no other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from tests.support.scripted_engine import options, recording, service
from tests.support.waiting import until
from zhiyin.core.recognition.result_cache import CachePolicy, ResultCache
from zhiyin.core.recognition.transcriber import Transcriber
from zhiyin.core.scheduling.batching import Lane
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import DeadlineExceeded, EngineFailed, Unavailable
from zhiyin.domain.events import Event, Finished, Progress, SegmentReady
from zhiyin.domain.transcript import Transcript
from zhiyin.engines.scripted import ScriptedEngine
from zhiyin.ops.observer_memory import MemoryObserver
from zhiyin.store.cache_memory import MemoryCache

SOUND = ([30] * 100 + [0] * 30) * 3  # three clips


class Broken(MemoryCache):
    """A cache that is unavailable while `away`."""

    away = True

    async def get(self, owner: str, key: str) -> bytes | None:
        if self.away:
            raise Unavailable("away")
        return await super().get(owner, key)

    async def put(self, owner: str, key: str, value: bytes) -> None:
        if self.away:
            raise Unavailable("away")
        await super().put(owner, key, value)


class Slow(MemoryCache):
    """A cache whose `put` blocks until it is released."""

    def __init__(self) -> None:
        super().__init__(1 << 20, 60, 1 << 20)
        self.gate = asyncio.Event()

    async def put(self, owner: str, key: str, value: bytes) -> None:
        await self.gate.wait()
        await super().put(owner, key, value)


def memory() -> MemoryCache:
    return MemoryCache(1 << 20, 60, 1 << 20)


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    """It waits at its gate from the first call on."""
    made = ScriptedEngine(gate=threading.Event())
    yield made
    assert made.gate is not None
    made.gate.set()


def let_go(engine: ScriptedEngine) -> None:
    assert engine.gate is not None
    engine.gate.set()


async def called(engine: ScriptedEngine, times: int = 1) -> None:
    """Until the engine was called so often."""
    while len(engine.calls) < times:  # noqa: ASYNC110 - the engine's thread knows no loop
        await asyncio.sleep(0.005)


async def ask(
    transcriber: Transcriber,
    recall: CachePolicy | None = None,
    levels: list[int] = SOUND,
    caller: Caller = Caller(),  # noqa: B008 - it is frozen
    **more: Any,
) -> tuple[Transcript, str]:
    """A transcript, and what came of the cache."""
    recall = recall or CachePolicy()
    source = recording(levels)
    return await transcriber.transcribe(
        source, options(**more), caller, recall=recall
    ), recall.outcome


async def test_ten_at_once_are_decoded_once(engine: ScriptedEngine) -> None:
    observer = MemoryObserver()
    results = ResultCache(memory(), "e", observer)
    async with service(engine, results=results) as transcriber:
        tasks = [asyncio.create_task(ask(transcriber)) for _ in range(10)]
        await called(engine)
        let_go(engine)
        answers = await asyncio.gather(*tasks)
        assert len(engine.calls) == 3
        assert {transcript for transcript, _ in answers} == {answers[0][0]}
        assert sorted(outcome for _, outcome in answers) == ["hit"] * 9 + ["miss"]
        again, outcome = await ask(transcriber)
    assert (again, outcome) == (answers[0][0], "hit")
    assert len(engine.calls) == 3
    counts = observer.totals("cache")
    assert (counts["hits"], counts["misses"]) == (10, 1)


async def test_other_recordings_options_and_owners_are_others() -> None:
    engine = ScriptedEngine()
    async with service(engine, results=ResultCache(memory(), "e")) as transcriber:
        outcomes = [
            (await ask(transcriber, levels=[30] * 20))[1],
            (await ask(transcriber, levels=[31] * 20))[1],
            (await ask(transcriber, levels=[30] * 20, prompt="x"))[1],
            (await ask(transcriber, caller=Caller("ann"), levels=[30] * 20))[1],
            (await ask(transcriber, caller=Caller("ann"), levels=[30] * 20))[1],
        ]
    assert outcomes == ["miss", "miss", "miss", "miss", "hit"]


async def test_a_leader_that_leaves_harms_nobody(engine: ScriptedEngine) -> None:
    async with service(engine, results=ResultCache(memory(), "e")) as transcriber:
        tasks = [asyncio.create_task(ask(transcriber)) for _ in range(5)]
        await called(engine)
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.gather(*tasks[:2], return_exceptions=True)
        let_go(engine)
        answers = await asyncio.gather(*tasks[2:])
    assert sorted(outcome for _, outcome in answers) == ["hit", "hit", "miss"]
    assert len(engine.calls) <= 1 + 3


async def test_a_leader_cancelled_before_it_began_harms_nobody() -> None:
    async with service(ScriptedEngine(), results=ResultCache(memory(), "e")) as transcriber:
        await ask(transcriber, levels=[40] * 20)  # the engine is loaded
        for steps in range(60):
            levels = [20 + steps] * 20
            tasks = [asyncio.create_task(ask(transcriber, levels=levels)) for _ in range(3)]
            for _ in range(steps):
                await asyncio.sleep(0)
            tasks[0].cancel()
            await asyncio.gather(tasks[0], return_exceptions=True)
            transcripts = {t.text for t, _ in await asyncio.gather(*tasks[1:])}
            assert transcripts == {" ".join([f"t{20 + steps}"] * 20)}


async def test_a_leader_that_fails_harms_nobody() -> None:
    """Its time is over; the others have theirs."""
    engine = ScriptedEngine(gate=threading.Event())
    async with service(engine, results=ResultCache(memory(), "e")) as transcriber:
        late = asyncio.create_task(
            transcriber.transcribe(
                recording(SOUND), options(), Caller(), timeout_s=2.0, recall=CachePolicy()
            )
        )
        await called(engine)
        others = [asyncio.create_task(ask(transcriber)) for _ in range(3)]
        with pytest.raises(DeadlineExceeded):
            await late
        let_go(engine)
        answers = await asyncio.gather(*others)
    assert sorted(outcome for _, outcome in answers) == ["hit", "hit", "miss"]


async def test_a_recording_that_breaks_the_engine_fails_for_each_and_is_not_kept() -> None:
    engine = ScriptedEngine()
    observer = MemoryObserver()
    results = ResultCache(memory(), "e", observer)
    async with service(engine, results=results) as transcriber:
        failed = await asyncio.gather(
            *(ask(transcriber, levels=[30] * 20, prompt="fail") for _ in range(4)),
            return_exceptions=True,
        )
        assert {type(error) for error in failed} == {EngineFailed}
        assert len(engine.calls) == 4
        assert not results._runs
    assert observer.totals("cache")["hits"] == 0


async def events(transcriber: Transcriber, recall: CachePolicy) -> list[Event]:
    return [
        e async for e in transcriber.stream(recording(SOUND), options(), Caller(), recall=recall)
    ]


def check_order(told: list[Event]) -> None:
    """What every stream promises."""
    assert isinstance(told[0], Progress)
    assert isinstance(told[-1], Finished)
    done = [e.processed for e in told if isinstance(e, Progress)]
    assert done == sorted(done)
    ready = [e for e in told if isinstance(e, SegmentReady)]
    assert [e.index for e in ready] == list(range(len(ready)))
    assert tuple(e.segment for e in ready) == told[-1].transcript.segments


async def test_streams_keep_their_promise_whoever_decodes(engine: ScriptedEngine) -> None:
    async with service(engine, results=ResultCache(memory(), "e")) as transcriber:
        tasks = [asyncio.create_task(events(transcriber, CachePolicy())) for _ in range(3)]
        await called(engine)
        let_go(engine)
        told = await asyncio.gather(*tasks)
        told.append(await events(transcriber, CachePolicy()))
        assert len(engine.calls) == 3
    for one in told:
        check_order(one)
        assert one[-1] == told[0][-1]


async def test_a_stream_that_follows_begins_at_once_and_survives_its_leader(
    engine: ScriptedEngine,
) -> None:
    async with service(engine, results=ResultCache(memory(), "e")) as transcriber:
        leader = asyncio.create_task(events(transcriber, CachePolicy()))
        await called(engine)
        recall = CachePolicy()
        async with aclosing(
            transcriber.stream(recording(SOUND), options(), Caller(), recall=recall)
        ) as follower:
            told = [await anext(follower)]
            outcomes = [recall.outcome]
            leader.cancel()
            let_go(engine)
            told += [event async for event in follower]
    check_order(told)
    assert [*outcomes, recall.outcome] == ["hit", "miss"]


async def test_nobody_waits_for_a_leader_that_does_not_read() -> None:
    engine = ScriptedEngine()
    async with (
        service(engine, results=ResultCache(memory(), "e")) as transcriber,
        aclosing(
            transcriber.stream(recording(SOUND), options(), Caller(), recall=CachePolicy())
        ) as lazy,
    ):
        await anext(lazy)
        answer, outcome = await asyncio.wait_for(ask(transcriber), 30)
        assert outcome == "hit"
        assert [e async for e in lazy][-1] == Finished(answer)
    assert len(engine.calls) == 3


async def test_who_waits_does_not_follow_a_job(engine: ScriptedEngine) -> None:
    async with service(engine, results=ResultCache(memory(), "e")) as transcriber:
        job = asyncio.create_task(
            transcriber.transcribe(
                recording(SOUND), options(), Caller(), lane=Lane.JOB, recall=CachePolicy()
            )
        )
        await called(engine)
        policy = CachePolicy()
        caller = asyncio.create_task(ask(transcriber, policy))
        await until(lambda: policy.outcome != "bypass")  # it has looked
        let_go(engine)
        assert (await caller)[1] == "miss"
        assert await job == (await caller)[0]


@pytest.mark.parametrize(
    ("recall", "changes"), [(CachePolicy(allowed=False), {}), (CachePolicy(), {"temperature": 0.5})]
)
async def test_no_store_and_sampling_neither_read_nor_write(
    recall: CachePolicy, changes: dict[str, Any]
) -> None:
    engine = ScriptedEngine()
    cache = memory()
    async with service(engine, results=ResultCache(cache, "e")) as transcriber:
        for _ in range(2):
            assert (await ask(transcriber, recall, **changes))[1] == "bypass"
        assert cache.held_bytes == 0
    assert len(engine.calls) == 6


async def test_a_broken_cache_is_counted_and_costs_no_answer() -> None:
    cache = Broken(1 << 20, 60, 1 << 20)
    observer = MemoryObserver()
    results = ResultCache(cache, "e", observer)
    async with service(ScriptedEngine(), results=results) as transcriber:
        first = await ask(transcriber)
        assert first[1] == "bypass"
        await asyncio.sleep(0)
        assert observer.totals("cache")["failures"] == 2
        cache.away = False
        assert (await ask(transcriber))[1] == "miss"
        assert await ask(transcriber) == (first[0], "hit")


async def test_a_damaged_or_strange_value_is_a_miss() -> None:
    cache = memory()
    observer = MemoryObserver()
    results = ResultCache(cache, "e", observer)
    async with service(ScriptedEngine(), results=results) as transcriber:
        good, _ = await ask(transcriber)
        ((owner, key),) = cache._kept
        value = cache._kept[owner, key]
        for bad in (b"", b"junk", value[:-1], value[1:], value[:40] + b"x" + value[41:]):
            await cache.put(owner, key, bad)
            assert await ask(transcriber) == (good, "miss")
        await ask(transcriber, levels=[50] * 20)
        other = next(place for place in cache._kept if place[1] != key)
        await cache.put(owner, key, cache._kept[other])
        assert await ask(transcriber) == (good, "miss"), "another recording's text was believed"
    assert observer.totals("cache")["damaged"] == 6


async def test_erasure_takes_what_is_kept_and_what_is_on_its_way(engine: ScriptedEngine) -> None:
    cache = memory()
    observer = MemoryObserver()
    results = ResultCache(cache, "e", observer)
    async with service(engine, results=results) as transcriber:
        on_its_way = asyncio.create_task(ask(transcriber, caller=Caller("ann")))
        await called(engine)
        await cache.put("ann", "k", b"x")
        await cache.put("bob", "k", b"x")
        assert await results.erase("ann") == 1
        let_go(engine)
        await on_its_way
        await ask(transcriber, caller=Caller("ann"), levels=[40] * 20)
        assert {place[0] for place in cache._kept} == {"ann", "bob"}
        assert await results.erase("ann") == 1
        assert {place[0] for place in cache._kept} == {"bob"}


async def test_erasure_takes_what_is_being_written() -> None:
    cache = Slow()
    observer = MemoryObserver()
    results = ResultCache(cache, "e", observer)
    async with service(ScriptedEngine(), results=results) as transcriber:
        await ask(transcriber)
        erasing = asyncio.create_task(results.erase("anonymous"))
        await asyncio.sleep(0.01)
        cache.gate.set()
        assert await erasing == 1
        assert cache.held_bytes == 0


async def test_what_is_being_written_is_a_hit_already() -> None:
    cache = Slow()
    engine = ScriptedEngine()
    async with service(engine, results=ResultCache(cache, "e")) as transcriber:
        first = await ask(transcriber)
        assert await ask(transcriber) == (first[0], "hit")
        assert len(engine.calls) == 3
        cache.gate.set()


async def test_without_results_nothing_is_remembered() -> None:
    engine = ScriptedEngine()
    async with service(engine) as transcriber:
        assert (await ask(transcriber))[1] == (await ask(transcriber))[1] == "bypass"
    assert len(engine.calls) == 6
