"""Cancel asyncio tasks reliably."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

SWALLOWED_S = 0.5
"""When to cancel a task again that uses a client which may swallow a cancellation.

Up to Python 3.11 `asyncio.wait_for`, in the Redis client for one, swallows one that comes as it is
done (https://github.com/python/cpython/issues/81839).
"""


async def cancel_all(tasks: Iterable[asyncio.Future[Any]], again_s: float | None = None) -> None:
    """Cancel tasks and wait until they have ended, whatever they raise.

    They have all the time they need to clean up; with `again_s` they are cancelled again after so
    many seconds, until they have ended.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        done, waiting = await asyncio.wait(waiting, timeout=again_s)
        await asyncio.gather(*done, return_exceptions=True)
