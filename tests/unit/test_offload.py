"""Blocking calls on threads: results, failures, and callers that leave."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from zhiyin.core.offload import offload


def fail() -> None:
    raise ValueError("no sound")


async def test_a_failure_is_the_callers() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert await offload(pool, lambda: 7) == 7
        with pytest.raises(ValueError, match="no sound"):
            await offload(pool, fail)


@pytest.mark.parametrize("outcome", [fail, lambda: None], ids=["fails", "ends"])
async def test_a_call_that_is_stopped_is_no_error_of_the_loop(
    outcome: Callable[[], None],
) -> None:
    """Its failure is what the caller who has left asked for: the log has no traceback of it."""
    errors: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    began, stopped = asyncio.Event(), threading.Event()

    def call() -> None:
        loop.call_soon_threadsafe(began.set)
        stopped.wait()
        outcome()

    with ThreadPoolExecutor(1) as pool:
        leaving = asyncio.create_task(offload(pool, call, stopped.set))
        await began.wait()
        leaving.cancel()
        await asyncio.wait([leaving])
        assert leaving.cancelled()
        del leaving
        gc.collect()
        await asyncio.sleep(0)
    assert errors == []
