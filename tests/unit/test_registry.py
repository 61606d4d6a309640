"""The promises of the registry: models load beside each other, and harm no request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.schedulers import clip
from tests.support.waiting import until
from zhiyin.core.scheduling.batching import Lane
from zhiyin.core.scheduling.registry import Registry, RegistryPolicy
from zhiyin.core.scheduling.scheduler import Scheduler
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import ModelInfo
from zhiyin.domain.errors import EngineFailed, Overloaded
from zhiyin.engines.scripted import ScriptedEngine

WAIT_S = 30.0


class SlowEngine(ScriptedEngine):
    """Loads when it may."""

    gate: threading.Event

    def load(self) -> None:
        if not self.gate.wait(WAIT_S):
            raise MemoryError
        super().load()


class Provider:
    """Models a, b and c; those in `gates` load when their gate opens. `made` counts."""

    name = "script"

    def __init__(self) -> None:
        self.gates: dict[str, threading.Event] = {}
        self.broken: set[str] = set()
        self.made: list[str] = []

    def models(self) -> list[ModelInfo]:
        can = ScriptedEngine().capabilities
        return [ModelInfo(i, self.name, can, True) for i in "abc"]

    def create(self, model_id: str) -> ScriptedEngine:
        self.made.append(model_id)
        if model_id in self.broken:
            raise EngineFailed("broken")
        if model_id not in self.gates:
            return ScriptedEngine()
        engine = SlowEngine()
        engine.gate = self.gates[model_id]
        return engine

    def pull(self, model_id: str) -> Path:
        raise NotImplementedError

    def path(self, model_id: str) -> Path:
        raise NotImplementedError


@asynccontextmanager
async def registry(provider: Provider, max_loaded: int = 2) -> AsyncIterator[Registry]:
    built = Registry([provider], RegistryPolicy("a", {}, max_loaded), Scheduler)
    try:
        yield built
    finally:
        for gate in provider.gates.values():
            gate.set()
        await built.close()


async def test_a_loaded_model_comes_while_another_loads() -> None:
    provider = Provider()
    provider.gates["b"] = threading.Event()
    async with registry(provider) as models:
        first = await models.scheduler(models.resolve("a"))
        loading = asyncio.create_task(models.scheduler(models.resolve("b")))
        await until(lambda: "b" in provider.made)
        wanted = models.scheduler(models.resolve("a"))
        with pytest.raises(StopIteration) as found:
            wanted.send(None)  # comes without suspending
        assert found.value.value is first
        assert not loading.done()
        provider.gates["b"].set()
        assert (await loading).state == "ready"


async def test_many_who_want_a_model_load_it_once() -> None:
    provider = Provider()
    provider.gates["b"] = threading.Event()
    async with registry(provider) as models:
        waiting = [asyncio.create_task(models.scheduler(models.resolve("b"))) for _ in range(5)]
        await until(lambda: provider.made)
        waiting.pop().cancel()  # who leaves takes the model from nobody
        provider.gates["b"].set()
        assert len(set(await asyncio.gather(*waiting))) == 1
        assert provider.made == ["b"]


async def test_models_beyond_the_places_wait_for_no_lock() -> None:
    provider = Provider()
    provider.gates["b"] = threading.Event()
    async with registry(provider) as models:
        first = await models.scheduler(models.resolve("a"))
        loading = asyncio.create_task(models.scheduler(models.resolve("b")))
        await asyncio.sleep(0)
        with first.admit(Caller(), Lane.ONE_SHOT, 1), pytest.raises(Overloaded):
            await models.scheduler(models.resolve("c"))
        third = await models.scheduler(models.resolve("c"))  # in the place of the idle one
        assert first.state == "closed"
        assert not loading.done()
        provider.gates["b"].set()
        assert {third.state, (await loading).state} == {"ready"}


async def test_who_waits_for_a_model_that_is_unloaded_gets_it_anew() -> None:
    provider = Provider()
    async with registry(provider, max_loaded=1) as models:
        names = ["a", "b", "c"] * 5
        found = await asyncio.gather(
            *(_served(models, name) for name in names), return_exceptions=True
        )
        refused = [f for f in found if isinstance(f, Overloaded)]
        assert len(found) - len(refused) == found.count("t1") >= 5, found


async def test_a_model_that_cannot_load_leaves_nothing_behind() -> None:
    provider = Provider()
    provider.broken.add("b")
    async with registry(provider, max_loaded=1) as models:
        before = threading.active_count()
        for _ in range(3):
            with pytest.raises(EngineFailed):
                await models.scheduler(models.resolve("b"))
        await until(lambda: threading.active_count() <= before + 2)  # of the pool that loads
        assert models.state("b") == "absent"
        provider.broken.clear()
        assert await _served(models, "b") == "t1"


async def _served(models: Registry, name: str) -> str:
    scheduler = await models.scheduler(models.resolve(name))
    with scheduler.admit(Caller(), Lane.ONE_SHOT, 1) as admission:
        result = await asyncio.wrap_future(admission.submit(clip(1)))
    return result.segments[0].text
