"""`zhiyin keys`: generate, list and rotate encryption keys."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from zhiyin.cli.private_file import replacing
from zhiyin.config import Settings, load
from zhiyin.domain.errors import AsrError, ConfigError
from zhiyin.domain.sealing import KeyUse
from zhiyin.ports.cipher import KeyRing
from zhiyin.store.cipher_aesgcm import generate, parse_keys
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.wiring.history import key_ring, make_history
from zhiyin.wiring.jobs import make_database, make_job_keys

_AT_ONCE = 50


def make(name: str, file: Path | None) -> None:
    """Print a new key, or put it first in a file. Raises ConfigError, AsrError."""
    line = generate(name)
    if file is None:
        print(line)
        return
    try:
        with _locked(file.resolve().parent):  # or of two new keys one would be lost
            old = file.read_text("utf-8") if file.exists() else ""
            parse_keys(f"{line}\n{old}")
            with replacing(file) as out:
                out.write(f"{line}\n{old}")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is no file of keys.") from error
    except OSError as error:
        raise AsrError(
            f"Can't write {file}: {error.strerror}. It is as it was.", code="io_error"
        ) from error
    print(f"{line.partition(':')[0]} is the first key of {file}. Keep a copy in a safe place.")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone among those who do this in that folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def show(data_dir: Path | None) -> None:
    """List keys and what is encrypted with each; never the keys themselves."""
    settings = load(data_dir=data_dir)
    names = list(key_ring(settings).names)
    history, jobs = asyncio.run(_uses(settings))
    table = Table()
    for column in ("key", "", "owners' data keys", "jobs and files"):
        table.add_column(column, no_wrap=True)
    for name in [*names, *sorted({*history, *jobs} - {*names, ""})]:
        state = "" if name in names else "missing"
        state = "encrypts" if name in names[:1] else state
        table.add_row(name, state, str(history.get(name, 0)), str(jobs.get(name, 0)))
    if "" in history or "" in jobs:
        transcripts = f"{history.get('', 0)} transcripts"
        table.add_row("(no key)", "", transcripts, str(jobs.get("", 0)))
    Console().print(table)


def rotate(data_dir: Path | None, *, plain: bool) -> None:
    """Encrypt everything anew with the first key; or, with `plain`, decrypt everything."""
    settings = load(data_dir=data_dir)
    ring = key_ring(settings)
    if not ring.key_id:
        raise ConfigError("There is no encryption key. Make one: zhiyin keys generate")
    new = PlainRing() if plain else ring
    unreadable = asyncio.run(_reseal_all(settings, ring, new))
    if unreadable:
        raise AsrError(
            f"{unreadable} transcripts or parts of jobs could not be opened and stay as they are; "
            "see the lines above. Keep the old keys until that is settled."
        )


async def _reseal_all(settings: Settings, old: KeyRing, new: KeyRing) -> int:
    return await _reseal(settings, old, new) + await _reseal_jobs(settings, old, new)


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
    print(f"{sealed} transcripts are {_outcome(new)}.")
    return unreadable


async def _reseal_jobs(settings: Settings, old: KeyRing, new: KeyRing) -> int:
    database = make_database(settings)
    try:
        sealed, unreadable = await make_job_keys(settings, database, old).reseal(new)
    finally:
        await database.close()
    print(f"{sealed} records and files of jobs are {_outcome(new)}.")
    return unreadable


def _outcome(new: KeyRing) -> str:
    return "encrypted anew" if new.key_id else "no longer encrypted"


async def _uses(settings: Settings) -> tuple[dict[str, int], dict[str, int]]:
    """Of the history, and of jobs."""
    # Without keys: what is listed needs none, and they may be the wrong ones.
    archive, database = make_history(settings, PlainRing()), make_database(settings)
    try:
        history = await archive.keys()
        jobs = await make_job_keys(settings, database, PlainRing()).uses()
    finally:
        await archive.close()
        await database.close()
    return _counts(history), _counts(jobs)


def _counts(uses: list[KeyUse]) -> dict[str, int]:
    return {use.ring_key: use.count for use in uses}
