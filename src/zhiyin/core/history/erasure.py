"""Erasing an owner's transcripts; a `ports.erasure.Erasable`."""

from __future__ import annotations

from dataclasses import dataclass

from zhiyin.core.history.writer import HistoryWriter
from zhiyin.ports.history import History


@dataclass(frozen=True, slots=True)
class OwnedHistory:
    """Transcripts, those too that wait to be written."""

    history_writer: HistoryWriter
    history: History
    name: str = "history"

    async def erase(self, owner: str) -> int:
        """The waiting ones first, so that none of them is written afterwards."""
        waiting = await self.history_writer.forget(owner)
        return waiting + (await self.history.erase(owner)).transcripts
