"""`zhiyin keys`: the keys of what is kept encrypted."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console
from rich.table import Table

from zhiyin.config import Settings, load
from zhiyin.domain.errors import AsrError, ConfigError
from zhiyin.domain.sealing import KeyUse
from zhiyin.ports.cipher import KeyRing
from zhiyin.store.cipher_aesgcm import generate, parse_keys
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.wiring import key_ring, make_history

_AT_ONCE = 50


def make(name: str, file: Path | None) -> None:
    """Print a new key, or put it first in a file. Raises ConfigError."""
    line = generate(name)
    if file is None:
        print(line)
        return
    old = file.read_text("utf-8") if file.exists() else ""
    parse_keys(f"{line}\n{old}")
    file.touch(mode=0o600)
    file.write_text(f"{line}\n{old}", "utf-8")
    print(f"{line.partition(':')[0]} is the first key of {file}. Keep a copy in a safe place.")


def show(data_dir: Path | None) -> None:
    """Which keys there are, and what they hold; never the keys themselves."""
    settings = load(data_dir=data_dir)
    names, uses = _ring_names(settings), asyncio.run(_uses(settings))
    table = Table()
    for column in ("key", "", "owners' data keys"):
        table.add_column(column, no_wrap=True)
    for place, name in enumerate(names):
        table.add_row(name, "" if place else "encrypts", str(uses.pop(name, 0)))
    for name, count in uses.items():
        if name:
            table.add_row(name, "missing", str(count))
        else:
            table.add_row("(no key)", "", f"{count} transcripts")
    Console().print(table)


def rotate(data_dir: Path | None, *, plain: bool) -> None:
    """Encrypt everything anew with the first key; or, with `plain`, decrypt everything."""
    settings = load(data_dir=data_dir)
    ring = key_ring(settings)
    if not ring.key_id:
        raise ConfigError("There is no encryption key. Make one: zhiyin keys generate")
    unreadable = asyncio.run(_reseal(settings, ring, PlainRing() if plain else ring))
    if unreadable:
        raise AsrError(
            f"{unreadable} transcripts could not be opened and stay as they are; see the lines "
            "above. Keep the old keys until that is settled."
        )


async def _reseal(settings: Settings, old: KeyRing, new: KeyRing) -> int:
    archive = make_history(settings, old)
    sealed = unreadable = 0
    after: int | None = 0
    try:
        while after is not None:
            done = await archive.reseal(after, _AT_ONCE, new)
            sealed, unreadable = sealed + done.sealed, unreadable + done.unreadable
            after = done.after
            await asyncio.sleep(0)
    finally:
        await archive.close()
    print(f"{sealed} transcripts are {'encrypted anew' if new.key_id else 'no longer encrypted'}.")
    return unreadable


def _ring_names(settings: Settings) -> list[str]:
    return list(key_ring(settings).names)


async def _uses(settings: Settings) -> dict[str, int]:
    # Without keys: what is listed needs none, and they may be the wrong ones.
    archive = make_history(settings, PlainRing())
    try:
        found: list[KeyUse] = await archive.keys()
    finally:
        await archive.close()
    return {use.ring_key: use.count for use in found}
