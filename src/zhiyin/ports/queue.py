"""Port: job queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from zhiyin.domain.job import Priority


@dataclass(frozen=True, slots=True)
class Delivery:
    """A job that was taken from the queue; `receipt` is opaque but to the queue."""

    job_id: str
    priority: Priority
    receipt: str


class JobQueue(Protocol):
    """Delivers job ids, each at least once for every `put`, by priority.

    Deliveries are held for seconds: a worker leases the job in its record and then
    acknowledges, so that it is the lease that brings back the job of a crashed worker. All
    methods raise Unavailable when the queue can't be reached; its deliveries come again.
    """

    async def put(self, job_id: str, priority: Priority) -> None:
        """Queue a job. Putting one that waits already may be a repetition, never an error."""
        ...

    async def take(self, wait_s: float) -> Delivery | None:
        """The next job, of the highest priority there is; None when none came in that time."""
        ...

    async def ack(self, delivery: Delivery) -> None:
        """Acknowledge: the job is leased or has ended; do not redeliver."""
        ...

    async def give_back(self, delivery: Delivery) -> None:
        """Return: the job could not be leased; redeliver."""
        ...

    async def dead_letter(self, job_id: str, reason: str) -> None:
        """Add a job whose attempts are used up to the dead letters; `reason` is an error's code."""
        ...

    async def lag(self) -> int:
        """How many jobs wait in the queue."""
        ...

    async def close(self) -> None:
        """Disconnect; unacknowledged deliveries are redelivered elsewhere."""
        ...
