"""`zhiyin erase`: erasure of all stored data of an owner."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from zhiyin.config import Settings, load
from zhiyin.core.erasure import Receipt
from zhiyin.wiring import build


def run(owner: str, data_dir: Path | None) -> None:
    """Erase it and print the receipt. Raises Unavailable when something is left."""
    receipt = asyncio.run(_erase(load(data_dir=data_dir), owner))
    erased_at = receipt.erased_at.isoformat(timespec="milliseconds")
    print(json.dumps({"owner": receipt.owner, "erased_at": erased_at, **receipt.counts}))


async def _erase(settings: Settings, owner: str) -> Receipt:
    async with build(settings, 0) as services:  # not started: nothing is loaded or worked on
        return await services.erasure.erase(owner)
