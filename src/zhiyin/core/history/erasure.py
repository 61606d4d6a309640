"""Erasing an owner's transcripts; a `ports.erasure.Erasable`."""

from __future__ import annotations

from dataclasses import dataclass

from zhiyin.core.history.writer import HistoryWriter
from zhiyin.ports.history import History


@dataclass(frozen=True, slots=True)
class OwnedHistory:
    """Transcripts, stored or still in the writer's queue."""

    history_writer: HistoryWriter
    history: History
    name: str = "history"

    async def erase(self, owner: str) -> int:
        """The queued ones first, so that none of them is written afterwards."""
        queued = await self.history_writer.drop(owner)
        return queued + (await self.history.erase(owner)).transcripts
