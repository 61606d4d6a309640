"""Waiting for what another task does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Return when it holds (or its awaitable gives something true); fails when it never does."""
    for _ in range(int(seconds * 500)):
        holds = condition()
        if await holds if isinstance(holds, Awaitable) else holds:
            return
        await asyncio.sleep(0.002)
    raise AssertionError(f"it never came true within {seconds} s")
