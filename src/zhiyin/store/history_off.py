"""No history: stores nothing; queries raise NotFound."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn

from zhiyin.domain.errors import NotFound
from zhiyin.domain.history import Erased, HistoryEntry, HistoryPage, HistoryQuery


class NoHistory:
    """The adapter of `ports.history` for `history.enabled = false`."""

    async def prepare(self) -> None:
        """Nothing to do."""

    async def add(self, entries: Sequence[HistoryEntry]) -> int:
        """Keeps none."""
        return 0

    async def page(self, query: HistoryQuery) -> HistoryPage:
        """Raises NotFound."""
        _off()

    async def get(self, owner: str, entry: int | str) -> HistoryEntry:
        """Raises NotFound."""
        _off()

    async def delete(self, owner: str, entry: int | str) -> None:
        """Raises NotFound."""
        _off()

    async def erase(self, owner: str) -> Erased:
        """There is nothing."""
        return Erased(0, 0)

    async def expire(self, before: datetime, limit: int) -> int:
        """There is nothing."""
        return 0

    async def scrub(self) -> None:
        """There is nothing."""

    async def reindex(self, after: int, limit: int) -> int | None:
        """There is nothing."""
        return None


def _off() -> NoReturn:
    raise NotFound("This server keeps no history (history.enabled).", code="history_off")
