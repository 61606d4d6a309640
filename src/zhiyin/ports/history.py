"""History port: the store of transcripts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from zhiyin.domain.history import Erased, HistoryEntry, HistoryPage, HistoryQuery, Resealed
from zhiyin.domain.sealing import KeyUse
from zhiyin.ports.cipher import KeyRing


class History(Protocol):
    """Every verb raises Unavailable when the store can't be reached, and recovers by itself."""

    async def prepare(self) -> None:
        """Make the store ready, if that is this process's business; safe to call again.

        Raises Unavailable, and CannotDecrypt when the keys don't fit what is stored.
        """
        ...

    async def add(self, entries: Sequence[HistoryEntry]) -> int:
        """Keep entries, all or none; how many are new (an id that is known is passed over).

        Raises CannotDecrypt when an owner's key can't be opened.
        """
        ...

    async def page(self, query: HistoryQuery) -> HistoryPage:
        """Entries of an owner, newest first. Raises CannotDecrypt."""
        ...

    async def get(self, owner: str, entry: int | str) -> HistoryEntry:
        """An entry by its id, or the newest of a request id. Raises NotFound, CannotDecrypt."""
        ...

    async def delete(self, owner: str, entry: int | str) -> None:
        """Remove one. Raises NotFound."""
        ...

    async def erase(self, owner: str) -> Erased:
        """Remove everything of an owner, the keys first: what is left anywhere is unreadable.

        Raises Unavailable also when it is removed, but still to be found in a journal.
        """
        ...

    async def expire(self, before: datetime, limit: int) -> int:
        """Remove at most `limit` entries older than that; how many it were."""
        ...

    async def scrub(self) -> None:
        """Overwrite removed entries in journals too, as far as the store can.

        Raises Unavailable when that is not possible now.
        """
        ...

    async def reindex(self, after: int, limit: int) -> int | None:
        """Index at most `limit` entries with ids above `after` that an older version has written.

        The id to go on after, None at the end. They are found before, too, only not as fast.
        """
        ...


class Archive(Protocol):
    """What moving, rotating keys and shutting down need besides."""

    async def migrate(self) -> str:
        """Bring the tables up to date; the revision they have now. Raises Unavailable."""
        ...

    async def entries(self, after: int, limit: int) -> list[HistoryEntry]:
        """Entries of all owners in the order of their ids. Raises CannotDecrypt."""
        ...

    async def reseal(self, after: int, limit: int, ring: KeyRing) -> Resealed:
        """Seal at most `limit` entries with ids above `after` with the newest keys of `ring`.

        At 0, owners whose data key is not sealed by the ring's first key get a new one. At the
        end, data keys that nothing uses any more are gone.
        """
        ...

    async def keys(self) -> list[KeyUse]:
        """Which keys of the ring hold how many owners' data keys."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
