"""Ids of jobs, and deliveries of a queue."""

from __future__ import annotations

from zhiyin.domain.job import new_job_id
from zhiyin.ports.queue import Delivery, JobQueue

WAIT_S = 20.0


def ids(count: int) -> list[str]:
    """Ids in the order of their times."""
    return [new_job_id(1_795_000_000 + i) for i in range(count)]


async def taken(queue: JobQueue, wait_s: float = WAIT_S) -> Delivery:
    """The next delivery, which must come."""
    delivery = await queue.take(wait_s)
    assert delivery is not None
    return delivery
