"""Which waiting clips run next. Pure: the same input always gives the same answer.

Order: lane first, where an entry moves up one lane for every `ageing_s` it has waited, so that
none starves; inside a lane the owners take turns, and the requests of each (see `fairness`);
then first come, first served. Clips that are compatible with the first entry join it until the
batch is full.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from enum import IntEnum


class Lane(IntEnum):
    """Priority class of a clip: smaller is more urgent."""

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
    bulk: bool = False
    """Of a long recording, which may take every engine thread but one."""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """`max_batch` clips and `max_cost_s` predicted engine seconds per call.

    While live work waits, other calls are kept to `live_cost_s`. A request that is predicted to
    take more than `bulk_s` in all is bulk; where a thread is kept from bulk, nothing waits for it
    and its calls may cost `bulk_cost_s`.
    """

    max_batch: int = 8
    max_cost_s: float = 2.0
    live_cost_s: float = 0.25
    bulk_s: float = 3.0
    bulk_cost_s: float = 5.0
    ageing_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """The engine threads: `idle` ones, the asking one included, and how many may begin bulk.

    `spare` says that one is kept from bulk, `final` that a live final is being recognized: partial
    results wait for it rather than share the cores with it.
    """

    idle: int = 1
    bulk: int = 1
    spare: bool = False
    final: bool = False


@dataclass(frozen=True, slots=True)
class Pick:
    """Numbers of the entries to run together, and of those whose deadline has passed."""

    batch: tuple[int, ...]
    expired: tuple[int, ...]


def rank(entry: Waiting, policy: BatchPolicy, now: float) -> int:
    """The lane an entry counts in after ageing."""
    waited = max(0.0, now - entry.enqueued)
    return max(0, entry.lane - int(waited / policy.ageing_s))


_ALONE = Capacity()


def _equal(_: str) -> float:
    return 0.0


def pick_batch(
    waiting: Iterable[Waiting],
    policy: BatchPolicy,
    now: float,
    capacity: Capacity = _ALONE,
    share: Callable[[str], float] = _equal,
) -> Pick:
    """Choose the next batch; empty when nothing waits, or nothing but bulk without room for it.

    `share` gives an owner's fair-queueing tag.
    """
    expired: list[int] = []
    alive: list[Waiting] = []
    for entry in waiting:
        late = entry.deadline is not None and entry.deadline <= now
        expired.append(entry.number) if late else alive.append(entry)
    ready = [e for e in alive if _may_begin(e, policy, now, capacity)]
    ready.sort(key=lambda e: (rank(e, policy, now), share(e.owner), e.tag, e.number))
    return Pick(tuple(e.number for e in _fill(ready, policy, capacity)), tuple(expired))


def _may_begin(entry: Waiting, policy: BatchPolicy, now: float, capacity: Capacity) -> bool:
    if capacity.final and entry.lane is Lane.PARTIAL and rank(entry, policy, now) > Lane.FINAL:
        return False
    return bool(capacity.bulk) or not entry.bulk


def _fill(ordered: list[Waiting], policy: BatchPolicy, capacity: Capacity) -> list[Waiting]:
    batch: list[Waiting] = []
    cost = 0.0
    live = any(e.lane <= Lane.PARTIAL for e in ordered)
    free = capacity.spare and bool(ordered) and ordered[0].bulk
    most = policy.bulk_cost_s if free else policy.max_cost_s
    max_cost = min(policy.live_cost_s, most) if live else most
    # Idle threads share what waits rather than watch one of them take all.
    shared = min(capacity.idle, capacity.bulk) if free else capacity.idle
    size = min(policy.max_batch, -(-len(ordered) // max(1, shared)))
    for entry in ordered:
        if len(batch) == size:
            break
        if batch and (entry.kind != batch[0].kind or cost + entry.cost > max_cost):
            continue
        batch.append(entry)
        cost += entry.cost
    return batch
