"""Erasure port: implemented by everything that stores data of owners."""

from __future__ import annotations

from typing import Protocol


class Erasable(Protocol):
    """A store, named by its contents: `history`, `jobs`, `recordings` ..."""

    @property
    def name(self) -> str:
        """Under which the receipt counts it."""
        ...

    async def erase(self, owner: str) -> int:
        """Remove all that is the owner's; how many things it were. Safe to call again.

        Raises Unavailable when the store can't be reached; something may then be left.
        """
        ...
