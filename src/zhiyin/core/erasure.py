"""Erasure of all stored data of an owner, in every store, with a receipt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from zhiyin.domain.errors import AsrError, Unavailable
from zhiyin.ports.erasure import Erasable

log = logging.getLogger(__name__)

KINDS = ("history", "jobs", "recordings", "captions", "cache")


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many things of each kind were erased, and when the last of them was (UTC)."""

    owner: str
    erased_at: datetime
    counts: Mapping[str, int]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Erasure:
    """Erases in all places, in order; a failing one does not stop the others."""

    places: Sequence[Erasable]
    clock: Callable[[], datetime] = _now

    async def erase(self, owner: str) -> Receipt:
        """Erase everything. Raises Unavailable when something is left, after trying all places."""
        counts, failed = dict.fromkeys(KINDS, 0), list[str]()
        for place in self.places:
            try:
                counts[place.name] = await place.erase(owner)
            except AsrError as error:
                log.warning("%s of an owner could not be erased: %s", place.name, error.message)
                failed.append(place.name)
        log.info("an owner's data was erased: %s", counts)
        if failed:
            raise Unavailable(
                f"Not everything could be erased; left: {', '.join(failed)}. Try again later.",
                code="erasure_incomplete", retry_after_s=10.0,
            )  # fmt: skip
        return Receipt(owner, self.clock(), counts)
