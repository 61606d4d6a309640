"""History entries, queries and pages. All times are UTC."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from zhiyin.domain.caller import Origin
from zhiyin.domain.transcript import Transcript

MAX_PAGE = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BITS = 10


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A kept transcript. Ids grow with time; `latency_s` is how long the answer took."""

    id: int
    time: datetime
    caller: Origin
    latency_s: float
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Summary:
    """An entry in a list. `text` is None when it can't be decrypted."""

    id: int
    time: datetime
    caller: Origin
    latency_s: float
    language: str
    model: str
    engine: str
    task: str
    duration_s: float
    text: str | None


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which entries of an owner, newest first: at most `limit`, with ids below `before`.

    Every one of the `terms` (see `domain.search`) stands in the text. Empty strings and None don't
    filter; `since` is included, `until` is not.
    """

    owner: str
    terms: tuple[str, ...] = ()
    language: str = ""
    model: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The entries, and the `before` of the next page; None on the last.

    A search looks through a bounded number of entries: a page may be short, even empty, and still
    have a next one.
    """

    summaries: tuple[Summary, ...]
    before: int | None


@dataclass(frozen=True, slots=True)
class Erased:
    """Counts of erased rows."""

    transcripts: int
    keys: int


@dataclass(frozen=True, slots=True)
class Resealed:
    """One step of a key rotation: how many rows were re-encrypted, and how many don't decrypt.

    `after` is where the next step begins; None when all is done.
    """

    after: int | None
    sealed: int = 0
    unreadable: int = 0


def new_id(time: datetime) -> int:
    """An id for something of that time: 53 bits of microseconds, then 10 random ones."""
    return first_id(time) | secrets.randbits(_RANDOM_BITS)


def first_id(time: datetime) -> int:
    """The least id of that time."""
    return ((time - _EPOCH) // timedelta(microseconds=1)) << _RANDOM_BITS
