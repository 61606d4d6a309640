"""Job queue in the database of the records: for one machine, or a few with one MariaDB."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from zhiyin.domain.job import Priority
from zhiyin.ports.queue import Delivery
from zhiyin.store.jobs_sql.tables import QUEUE
from zhiyin.store.sql.database import Database

_C = QUEUE.c
_POLL_S = 0.5


class LocalQueue:
    """Implements `ports.queue.JobQueue`.

    A row that was taken is invisible for `visibility_s`, then it is redelivered. `put` in the same
    process wakes waiting workers; what other processes put is polled for every half second.
    """

    def __init__(
        self,
        database: Database,
        *,
        visibility_s: float = 30.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._visibility_s = visibility_s
        self._clock = clock
        self._queued = asyncio.Condition()

    async def put(self, job_id: str, priority: Priority) -> None:
        """Insert a row, or reset it, so that a delivery from before can't acknowledge it."""
        row = {
            "job_id": job_id, "rank_": -priority, "visible_at": self._clock(),
            "receipt": "", "dead": False, "reason": "",
        }  # fmt: skip
        try:
            async with self._database.transaction(write=True) as db:
                await db.execute(insert(QUEUE).values(row))
        except IntegrityError:
            async with self._database.transaction(write=True) as db:
                await db.execute(update(QUEUE).where(_C.job_id == job_id).values(row))
        async with self._queued:
            self._queued.notify_all()

    async def take(self, wait_s: float) -> Delivery | None:
        """The best visible row, made invisible unless another worker took it first."""
        end = time.monotonic() + wait_s
        while (delivery := await self._take_next()) is None:
            left = end - time.monotonic()
            if left <= 0:
                return None
            await self._wait_for_put(min(left, _POLL_S))
        return delivery

    async def _wait_for_put(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds), self._queued:
                await self._queued.wait()
        except TimeoutError:
            pass

    async def _take_next(self) -> Delivery | None:
        best = (
            select(_C.job_id, _C.rank_, _C.receipt)
            .where(_C.dead.is_(False), _C.visible_at <= self._clock())
            .order_by(_C.rank_, _C.job_id)
            .limit(1)
        )
        while True:
            async with self._database.transaction() as db:
                row = (await db.execute(best)).first()
            if row is None:
                return None
            delivery = Delivery(row.job_id, Priority(-row.rank_), secrets.token_hex(16))
            seen = and_(_C.job_id == row.job_id, _C.receipt == row.receipt)
            values = {"visible_at": self._clock() + self._visibility_s, "receipt": delivery.receipt}
            async with self._database.transaction(write=True) as db:
                taken = await db.execute(update(QUEUE).where(seen).values(values))
            if taken.rowcount == 1:
                return delivery

    async def ack(self, delivery: Delivery) -> None:
        """Delete the row, unless another worker has taken it since."""
        async with self._database.transaction(write=True) as db:
            await db.execute(delete(QUEUE).where(_held(delivery)))

    async def give_back(self, delivery: Delivery) -> None:
        """Visible again."""
        async with self._database.transaction(write=True) as db:
            now = {"visible_at": self._clock()}
            await db.execute(update(QUEUE).where(_held(delivery)).values(now))

    async def dead_letter(self, job_id: str, reason: str) -> None:
        """A row that is never taken."""
        row = {
            "job_id": job_id, "rank_": 0, "visible_at": self._clock(), "receipt": "",
            "dead": True, "reason": reason[:64],
        }  # fmt: skip
        async with self._database.transaction(write=True) as db:
            await db.execute(delete(QUEUE).where(_C.job_id == job_id))
            await db.execute(insert(QUEUE).values(row))

    async def lag(self) -> int:
        """Rows that are visible."""
        waiting = and_(_C.dead.is_(False), _C.visible_at <= self._clock())
        async with self._database.transaction() as db:
            count = await db.execute(select(func.count()).select_from(QUEUE).where(waiting))
        return int(count.scalar_one())

    async def close(self) -> None:
        """Nothing to close; the database is closed by its owner."""


def _held(delivery: Delivery) -> ColumnElement[bool]:
    return and_(_C.job_id == delivery.job_id, _C.receipt == delivery.receipt)
