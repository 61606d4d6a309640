"""What zhiyin asks of the place where caption rooms of all processes meet."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from zhiyin.domain.captions import CaptionMessage


class CaptionStore(Protocol):
    """Rooms by name, each with one speaker's place and a record of settled captions.

    A place that its holder neither claims nor publishes from for a while is free again. A record
    is bounded, and forgotten when nothing was added for long. `holder` names a process. Every
    call raises Unavailable when the store can't be reached.
    """

    async def claim(self, room: str, holder: str) -> bool:
        """Take the speaker's place, or keep it for another while; False when it is taken."""
        ...

    async def release(self, room: str, holder: str) -> None:
        """Leave the speaker's place; nothing happens to those who don't hold it."""
        ...

    async def publish(self, room: str, holder: str, post: CaptionMessage) -> bool:
        """Tell all who follow, and record what is settled; keeps the place.

        False, and nothing is done, unless the holder has the place. What is recorded already is
        not recorded or told again; a speaker's captions come in the order of their ids.
        """
        ...

    async def history(self, room: str) -> tuple[CaptionMessage, ...]:
        """The record, oldest first. Raises CannotDecrypt."""
        ...

    async def erase(self, owner: str) -> int:
        """Remove the owner's captions from all records; how many. Those who follow are told."""
        ...

    def follow(self, room: str) -> AsyncGenerator[tuple[CaptionMessage, ...], None]:
        """First the record, then what is published, as it comes; nothing is missed in between.

        What is recorded may come once more. Raises Unavailable as soon as something may be lost.
        """
        ...

    async def check(self) -> None:
        """Return when the store answers."""
        ...

    async def close(self) -> None:
        """Let go of everything; places that are held fall free by themselves."""
        ...
