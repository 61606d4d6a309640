"""Cache of results, known or under way: one recognition serves all requests for the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, NamedTuple

from zhiyin.core.recognition.single_flight import SharedRun, replay
from zhiyin.core.scheduling.batching import Lane
from zhiyin.domain.errors import Unavailable
from zhiyin.domain.events import Event, Finished, Progress
from zhiyin.domain.transcript import Transcript
from zhiyin.domain.transcript_codec import pack, unpack
from zhiyin.ports.cache import Cache
from zhiyin.ports.observer import UNOBSERVED, Observer

CacheOutcome = Literal["hit", "miss", "bypass"]
Run = Callable[[], AsyncGenerator[Event, None]]

_BOUND = 16  # bytes of the key before a value, so that none can be taken for another


class CacheKey(NamedTuple):
    """Of a shared run. A client that waits does not follow a job, which gives way to all others."""

    owner: str
    key: str
    lane: Lane


@dataclass(slots=True)
class CachePolicy:
    """What a request wants of the cache, and what came of it.

    `allowed` False: neither read nor written. `outcome` is known with the first event: "hit" when
    the result was cached or is being made for another request, "bypass" when it was not read.
    """

    allowed: bool = True
    outcome: CacheOutcome = "bypass"


class ResultCache:
    """Shares results among the requests of an owner. Used from the event loop only.

    `edition` names what made a text besides options and engine: code, libraries, settings.
    """

    name = "cache"  # for `ports.erasure`

    def __init__(self, cache: Cache, edition: str, observer: Observer = UNOBSERVED) -> None:
        self.edition = edition
        self._observer = observer
        self._cache = cache
        self._runs: dict[CacheKey, SharedRun] = {}
        self._writes: dict[CacheKey, asyncio.Task[None]] = {}

    async def stream(
        self, policy: CachePolicy, key: CacheKey, run: Run
    ) -> AsyncGenerator[Event, None]:
        """The events of `run`, or of another request's with the same key, in the same lane.

        Segments of a recognition that another request leads come when it is finished: if it fails
        or its client leaves, the next one begins anew, and nothing was sent that could differ.
        """
        latest = -1.0  # progress never goes back, whichever request leads
        while (shared := self._runs.get(key)) is not None:
            policy.outcome = "hit"
            async for event in shared.events():
                if isinstance(event, Progress) and event.processed > latest:
                    latest = event.processed
                    yield event
            if shared.result is not None:
                self._observer.count("cache.hits")
                for event in replay(shared.result, latest):
                    yield event
                return
        # This request leads. The run has a task of its own: no follower waits for a slow reader.
        shared = self._runs[key] = SharedRun()
        task = asyncio.create_task(self._lead(policy, key, shared, run))
        try:
            async for event in shared.events():
                if not isinstance(event, Progress) or event.processed > latest:
                    yield event
            await task
        finally:
            if shared.result is None:
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._end(key, shared)  # when it was cancelled before it began

    def bypass(self) -> None:
        """A request neither reads nor writes the cache."""
        self._observer.count("cache.bypassed")

    async def erase(self, owner: str) -> int:
        """Delete all results of an owner, those under way too; how many were cached.

        Raises Unavailable when it can't be known that they are gone.
        """
        for key in [k for k in self._runs if k.owner == owner]:
            self._runs[key].private = True
        writing = [task for key, task in self._writes.items() if key.owner == owner]
        await asyncio.gather(*writing, return_exceptions=True)
        return await self._cache.drop(owner)

    async def close(self) -> None:
        """Wait for what is being written, and close the cache."""
        await asyncio.gather(*self._writes.values(), return_exceptions=True)
        await self._cache.close()

    async def _lead(self, policy: CachePolicy, key: CacheKey, shared: SharedRun, run: Run) -> None:
        try:
            known = await self._read(policy, key)
            if known is not None:
                for event in replay(known):
                    shared.add(event)
                return
            async with aclosing(run()) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        self._write(key, shared, event.transcript)
                    shared.add(event)
        finally:
            self._end(key, shared)

    def _end(self, key: CacheKey, shared: SharedRun) -> None:
        """Offer the run no more, then wake its followers: the first of them leads anew."""
        if self._runs.get(key) is shared and key not in self._writes:
            del self._runs[key]
        shared.end()

    async def _read(self, policy: CachePolicy, key: CacheKey) -> Transcript | None:
        try:
            value = await self._cache.get(key.owner, key.key)
        except Unavailable:
            self._observer.count("cache.failures")
            self._observer.count("cache.bypassed")
            policy.outcome = "bypass"
            return None
        known = None if value is None else self._unpacked(key.key, value)
        policy.outcome = "miss" if known is None else "hit"
        if known is None:
            self._observer.count("cache.misses")
        else:
            self._observer.count("cache.hits")
        return known

    def _unpacked(self, key: str, value: bytes) -> Transcript | None:
        bound = _bound(key)
        try:
            if not value.startswith(bound):
                raise ValueError("This value belongs to another key.")
            return unpack(value[len(bound) :])
        except ValueError:
            self._observer.count("cache.damaged")
            return None

    def _write(self, key: CacheKey, shared: SharedRun, transcript: Transcript) -> None:
        """Cache it without delaying the answer; the run serves all who ask meanwhile."""

        async def write() -> None:
            try:
                if not shared.private:
                    value = _bound(key.key) + pack(transcript)
                    await self._cache.put(key.owner, key.key, value)
            except Unavailable:
                self._observer.count("cache.failures")
            finally:
                del self._writes[key]
                self._end(key, shared)

        self._writes[key] = asyncio.create_task(write())


def _bound(key: str) -> bytes:
    return bytes.fromhex(key)[:_BOUND]
