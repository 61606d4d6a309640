"""Results that are known or on their way: one recognition serves all who ask for the same."""

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

CacheOutcome = Literal["hit", "miss", "bypass"]
Run = Callable[[], AsyncGenerator[Event, None]]

_BOUND = 16  # bytes of the key before a value, so that none can be taken for another


class CacheKey(NamedTuple):
    """Of a flight. A caller that waits does not follow a job, which gives way to everybody."""

    owner: str
    key: str
    lane: Lane


@dataclass(slots=True)
class CachePolicy:
    """What a request wants of the cache, and what came of it.

    `allowed` False: neither read nor written. `outcome` is known with the first event: "hit" when
    the result was known or is being made for somebody else, "bypass" when nobody looked.
    """

    allowed: bool = True
    outcome: CacheOutcome = "bypass"


@dataclass(slots=True)
class CacheCounts:
    """Since the start; `failures` are the cache's own, `damaged` values count as misses too."""

    hits: int = 0
    misses: int = 0
    bypassed: int = 0
    failures: int = 0
    damaged: int = 0


class ResultCache:
    """Shares results among the requests of an owner. Used from the event loop only.

    `edition` names what made a text besides options and engine: code, libraries, settings.
    """

    name = "cache"  # for `ports.erasure`

    def __init__(self, cache: Cache, edition: str) -> None:
        self.edition = edition
        self.counts = CacheCounts()
        self._cache = cache
        self._flights: dict[CacheKey, SharedRun] = {}
        self._keeping: dict[CacheKey, asyncio.Task[None]] = {}

    async def stream(
        self, recall: CachePolicy, place: CacheKey, run: Run
    ) -> AsyncGenerator[Event, None]:
        """The events of `run`, or of somebody else's with the same key, in the same lane.

        Segments of a recognition that another request leads come when it is finished: if it fails
        or its client leaves, the next one begins anew, and nothing was told that could differ.
        """
        latest = -1.0  # progress never goes back, whoever leads
        while (flight := self._flights.get(place)) is not None:
            recall.outcome = "hit"
            async for progress in _progress(flight.events(), latest):
                latest = progress.processed
                yield progress
            if flight.result is not None:
                self.counts.hits += 1
                for event in replay(flight.result, latest):
                    yield event
                return
        async with aclosing(self._lead(recall, place, run)) as events:
            async for event in events:
                if not isinstance(event, Progress) or event.processed > latest:
                    yield event

    async def erase(self, owner: str) -> int:
        """Delete all results of an owner, those on their way too; how many were kept.

        Raises Unavailable when it can't be known that they are gone.
        """
        for place in [p for p in self._flights if p.owner == owner]:
            self._flights[place].private = True
        writing = [task for place, task in self._keeping.items() if place.owner == owner]
        await asyncio.gather(*writing, return_exceptions=True)
        return await self._cache.drop(owner)

    async def close(self) -> None:
        """Keep what is being kept, and let go of the cache."""
        await asyncio.gather(*self._keeping.values(), return_exceptions=True)
        await self._cache.close()

    async def _lead(
        self, recall: CachePolicy, place: CacheKey, run: Run
    ) -> AsyncGenerator[Event, None]:
        """Events as they come, from a task of their own: no follower waits for a slow reader."""
        flight = self._flights[place] = SharedRun()
        task = asyncio.create_task(self._fly(recall, place, flight, run))
        try:
            async for event in flight.events():
                yield event
            await task
        finally:
            if flight.result is None:
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._give_up(place, flight)  # when it was cancelled before it began

    async def _fly(self, recall: CachePolicy, place: CacheKey, flight: SharedRun, run: Run) -> None:
        try:
            known = await self._read(recall, place)
            if known is not None:
                for event in replay(known):
                    flight.tell(event)
                return
            async with aclosing(run()) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        self._keep(place, flight, event.transcript)
                    flight.tell(event)
        finally:
            self._give_up(place, flight)

    def _give_up(self, place: CacheKey, flight: SharedRun) -> None:
        """Take the flight off the board, then wake who follows: the first of them leads anew."""
        if self._flights.get(place) is flight and place not in self._keeping:
            del self._flights[place]
        flight.end()

    async def _read(self, recall: CachePolicy, place: CacheKey) -> Transcript | None:
        try:
            value = await self._cache.get(place.owner, place.key)
        except Unavailable:
            self.counts.failures += 1
            self.counts.bypassed += 1
            recall.outcome = "bypass"
            return None
        known = None if value is None else self._opened(place.key, value)
        recall.outcome = "miss" if known is None else "hit"
        if known is None:
            self.counts.misses += 1
        else:
            self.counts.hits += 1
        return known

    def _opened(self, key: str, value: bytes) -> Transcript | None:
        bound = _bound(key)
        try:
            if not value.startswith(bound):
                raise ValueError("This value belongs to another key.")
            return unpack(value[len(bound) :])
        except ValueError:
            self.counts.damaged += 1
            return None

    def _keep(self, place: CacheKey, flight: SharedRun, transcript: Transcript) -> None:
        """Store it without letting the answer wait; the flight serves whoever comes meanwhile."""

        async def keep() -> None:
            try:
                if not flight.private:
                    value = _bound(place.key) + pack(transcript)
                    await self._cache.put(place.owner, place.key, value)
            except Unavailable:
                self.counts.failures += 1
            finally:
                del self._keeping[place]
                self._give_up(place, flight)

        self._keeping[place] = asyncio.create_task(keep())


def _bound(key: str) -> bytes:
    return bytes.fromhex(key)[:_BOUND]


async def _progress(
    events: AsyncGenerator[Event, None], after: float
) -> AsyncGenerator[Progress, None]:
    async for event in events:
        if isinstance(event, Progress) and event.processed > after:
            yield event
