"""`zhiyin migrate`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from zhiyin.config import load
from zhiyin.wiring.history import make_history
from zhiyin.wiring.jobs import make_database


def migrate(data_dir: Path | None) -> None:
    """Bring the tables of the history and of jobs up to date. Raises Unavailable."""
    asyncio.run(_migrate(data_dir))


async def _migrate(data_dir: Path | None) -> None:
    settings = load(data_dir=data_dir)
    history, jobs = make_history(settings), make_database(settings)
    try:
        print(f"The history's tables have revision {await history.migrate()}.")
        print(f"The tables of jobs have revision {await jobs.migrate()}.")
    finally:
        await history.close()
        await jobs.close()
