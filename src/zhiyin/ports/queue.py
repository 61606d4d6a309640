"""Job queue port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from zhiyin.domain.job import Priority


@dataclass(frozen=True, slots=True)
class Delivery:
    """A job that was taken from the queue; `receipt` means something to the queue alone."""

    job_id: str
    priority: Priority
    receipt: str


class JobQueue(Protocol):
    """Says which job is next, at least once for every `put`. It never carries more than ids.

    Tickets are held for seconds: whoever takes one leases the job in its record and then
    acknowledges, so that it is the lease that brings back the job of a worker that died. All
    verbs raise Unavailable when the queue is away; its tickets come again.
    """

    async def put(self, job_id: str, priority: Priority) -> None:
        """Queue a job. Putting one that waits already may be a repetition, never an error."""
        ...

    async def take(self, wait_s: float) -> Delivery | None:
        """The next job, of the highest priority there is; None when none came in that time."""
        ...

    async def ack(self, delivery: Delivery) -> None:
        """The job is leased, or needs nobody; do not bring the ticket again."""
        ...

    async def give_back(self, delivery: Delivery) -> None:
        """Nobody could look at the job; bring the ticket again."""
        ...

    async def dead_letter(self, job_id: str, reason: str) -> None:
        """Put a job that nobody could do among the dead letters; `reason` is an error's code."""
        ...

    async def lag(self) -> int:
        """How many tickets wait."""
        ...

    async def close(self) -> None:
        """Leave; tickets that were not acknowledged come again elsewhere."""
        ...
