"""Cancel asyncio tasks reliably."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

_RETRY_S = 0.5


async def cancel_all(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended, whatever they raise.

    Once may not be enough: up to Python 3.11 `asyncio.wait_for`, in the Redis client for one,
    swallows a cancellation that comes as it is done (https://github.com/python/cpython/issues/81839).
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        done, waiting = await asyncio.wait(waiting, timeout=_RETRY_S)
        await asyncio.gather(*done, return_exceptions=True)
