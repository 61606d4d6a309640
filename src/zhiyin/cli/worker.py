"""`zhiyin worker`: processes jobs without an HTTP server."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from zhiyin.config import Settings, load
from zhiyin.ops.ending import Ending
from zhiyin.ops.logging import configure
from zhiyin.ops.memory import release_regularly
from zhiyin.wiring import build

_GRACE_S = 30.0  # for running jobs to go back to the queue


def run(workers: int | None, data_dir: Path | None) -> None:
    """Run until SIGTERM or SIGINT; running jobs go back to the queue. Raises ConfigError."""
    settings = load(data_dir=data_dir)
    configure(settings.log.level, settings.log.format)
    ending = Ending(_GRACE_S)
    try:
        asyncio.run(_work(settings, workers or max(1, settings.jobs.workers), ending))
    finally:
        ending.finish()


async def _work(settings: Settings, workers: int, ending: Ending) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with build(settings, workers, on_stuck=ending.begin) as services:
        release_regularly()
        services.start()
        print(f"zhiyin works on {workers} job{'s' * (workers > 1)} at once", flush=True)
        await stop.wait()
