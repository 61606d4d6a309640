"""Job queue port."""

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
    """At-least-once delivery of job ids, by priority; it carries nothing else.

    Deliveries are held for seconds: a worker leases the job in its record and then acknowledges,
    so that the lease is what recovers the job of a worker that died. All methods raise Unavailable
    when the queue is unreachable; unacknowledged deliveries come again.
    """

    async def put(self, job_id: str, priority: Priority) -> None:
        """Queue a job. Putting one that waits already may be a repetition, never an error."""
        ...

    async def take(self, wait_s: float) -> Delivery | None:
        """The next job, of the highest priority there is; None when none came in that time."""
        ...

    async def ack(self, delivery: Delivery) -> None:
        """Acknowledge: the job is leased or needs no work; no redelivery."""
        ...

    async def give_back(self, delivery: Delivery) -> None:
        """Negative acknowledgement: the job was not looked at; redeliver."""
        ...

    async def dead_letter(self, job_id: str, reason: str) -> None:
        """Put a job that failed for good among the dead letters; `reason` is an error's code."""
        ...

    async def lag(self) -> int:
        """How many deliveries wait."""
        ...

    async def close(self) -> None:
        """Disconnect; unacknowledged deliveries come again elsewhere."""
        ...
