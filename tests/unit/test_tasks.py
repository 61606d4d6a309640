"""`cancel_all`: cancelled tasks have ended, even those that resist."""

from __future__ import annotations

import asyncio

import pytest

from zhiyin.core.tasks import cancel_all


async def test_all_have_ended_and_cleaned_up_whatever_they_raise() -> None:
    cleaned: list[str] = []

    async def patient() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(5):  # a second cancellation would end it here
                await asyncio.sleep(0.01)
            cleaned.append("patient")

    async def broken() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("on the way out")

    async def done() -> int:
        return 1

    tasks = [asyncio.create_task(work) for work in (patient(), broken(), done())]
    await asyncio.sleep(0)
    await cancel_all(tasks)
    assert cleaned == ["patient"]
    assert all(task.done() for task in tasks)
    assert tasks[0].cancelled()
    with pytest.raises(ValueError, match="on the way out"):
        tasks[1].result()
    await cancel_all([])


async def test_who_swallows_a_cancellation_is_cancelled_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await cancel_all([task], again_s=0.01)
    assert task.cancelled()
    assert swallowed == 3
