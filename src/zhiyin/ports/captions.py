"""Caption store port: shares caption rooms between processes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from zhiyin.domain.captions import CaptionMessage


class CaptionStore(Protocol):
    """Rooms by name, each with a lease for one speaker and a log of final captions.

    A lease expires unless its holder claims it again or publishes. A log is bounded, and expires
    some time after the last caption. `holder` names a process. Every call raises Unavailable
    when the store can't be reached.
    """

    async def claim(self, room: str, holder: str) -> bool:
        """Take or renew the speaker's lease; False when another process holds it."""
        ...

    async def release(self, room: str, holder: str) -> None:
        """Give the lease back; no effect unless `holder` has it."""
        ...

    async def publish(self, room: str, holder: str, message: CaptionMessage) -> bool:
        """Send to all followers, append final captions to the log, and renew the lease.

        False, and nothing is done, without the lease. Duplicates are neither logged nor sent; a
        speaker's captions come in the order of their ids.
        """
        ...

    async def history(self, room: str) -> tuple[CaptionMessage, ...]:
        """The log, oldest first. Raises CannotDecrypt."""
        ...

    async def erase(self, owner: str) -> int:
        """Delete the owner's captions from all logs; how many. Followers get CaptionsErased."""
        ...

    def follow(self, room: str) -> AsyncGenerator[tuple[CaptionMessage, ...], None]:
        """First the log, then messages as they are published; nothing is missed in between.

        Logged ones may come twice. Raises Unavailable as soon as something may be lost.
        """
        ...

    async def check(self) -> None:
        """Health check: return when the store answers."""
        ...

    async def close(self) -> None:
        """Disconnect; leases that are held expire."""
        ...
