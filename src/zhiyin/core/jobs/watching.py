"""Changes of jobs for many watchers, by one query for all of them every half second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from zhiyin.domain.errors import Unavailable
from zhiyin.ports.jobs import JobStore

_POLL_S = 0.5


@dataclass(slots=True)
class Watched:
    """A job; `version` is that of its record, or None when it is deleted, or not yet known (-1)."""

    users: int = 0
    version: int | None = -1
    failure: Unavailable | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def newer(self, seen: int) -> None:
        """Wait until the record is newer than that version, or deleted. Raises Unavailable."""
        while self.version is not None and self.version <= seen:
            if self.failure is not None:
                raise Unavailable(self.failure.message, code=self.failure.code)
            await self._changed.wait()

    def put(self, version: int | None, failure: Unavailable | None = None) -> None:
        """Wake the watchers when something has changed."""
        if (version, failure) == (self.version, self.failure):
            return
        self.version, self.failure = version, failure
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


@dataclass(slots=True)
class JobWatch:
    """Polls the store as long as anything is watched; used from the event loop."""

    store: JobStore
    _watched: dict[str, Watched] = field(default_factory=dict)
    _polling: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watch(self, job_id: str) -> AsyncIterator[Watched]:
        """Look for changes of the job meanwhile."""
        watched = self._watched.setdefault(job_id, Watched())
        watched.users += 1
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            yield watched
        finally:
            watched.users -= 1
            if watched.users == 0:
                self._watched.pop(job_id)
            if not self._watched and self._polling is not None:
                self._polling.cancel()
                self._polling = None

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(_POLL_S)
            watched = dict(self._watched)
            try:
                versions = await self.store.versions(list(watched))
            except Unavailable as error:
                for one in watched.values():
                    one.put(one.version, error)
                continue
            for job_id, one in watched.items():
                one.put(versions.get(job_id))
