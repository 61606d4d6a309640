"""Which waiting clips run next. Pure: the same input always gives the same answer.

Order: lane first, where an entry moves up one lane for every `ageing_s` it has waited, so that
nobody starves; inside a lane by fair-queueing tag, so that a caller with many clips takes turns
with the others (start-time fair queueing, Goyal et al., SIGCOMM 1996); then first come, first
served. The first entry picks the company: compatible clips join until the batch is full.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import IntEnum


class Lane(IntEnum):
    """Who waits: smaller is more urgent."""

    FINAL = 0
    PARTIAL = 1
    ONE_SHOT = 2
    JOB = 3


@dataclass(frozen=True, slots=True)
class Waiting:
    """A clip in the queue; times are the clock's seconds, `cost` predicted engine seconds."""

    number: int
    lane: Lane
    tag: float
    enqueued: float
    cost: float
    kind: Hashable = None
    """Only clips of equal kind share a batch."""
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """`max_batch` clips and `max_cost_s` predicted engine seconds per call."""

    max_batch: int = 1
    max_cost_s: float = 2.0
    ageing_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Pick:
    """Numbers of the entries to run together, and of those whose deadline has passed."""

    batch: tuple[int, ...]
    expired: tuple[int, ...]


def rank(entry: Waiting, policy: BatchPolicy, now: float) -> int:
    """The lane an entry counts in after ageing."""
    waited = max(0.0, now - entry.enqueued)
    return max(0, entry.lane - int(waited / policy.ageing_s))


def pick_batch(waiting: Iterable[Waiting], policy: BatchPolicy, now: float) -> Pick:
    """Choose the next batch; an empty queue gives an empty one."""
    expired: list[int] = []
    alive: list[Waiting] = []
    for entry in waiting:
        late = entry.deadline is not None and entry.deadline <= now
        expired.append(entry.number) if late else alive.append(entry)
    alive.sort(key=lambda e: (rank(e, policy, now), e.tag, e.number))
    return Pick(tuple(e.number for e in _fill(alive, policy)), tuple(expired))


def _fill(ordered: list[Waiting], policy: BatchPolicy) -> list[Waiting]:
    batch: list[Waiting] = []
    cost = 0.0
    for entry in ordered:
        if len(batch) == policy.max_batch:
            break
        if batch and (entry.kind != batch[0].kind or cost + entry.cost > policy.max_cost_s):
            continue
        batch.append(entry)
        cost += entry.cost
    return batch
