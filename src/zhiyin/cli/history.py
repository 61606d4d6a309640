"""`zhiyin history`: export and import of transcripts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import TextIO

from pydantic import TypeAdapter, ValidationError

from zhiyin.cli.private_file import replacing
from zhiyin.config import load
from zhiyin.domain.errors import AsrError, InvalidRequest
from zhiyin.domain.history import HistoryEntry
from zhiyin.store.history_sql.store import SqlHistory
from zhiyin.wiring.history import make_history

_AT_ONCE = 200
_ENTRY = TypeAdapter(HistoryEntry)


def export(file: Path | None, data_dir: Path | None) -> None:
    """All transcripts, decrypted, as JSON lines, to a file or standard output."""
    try:
        if file is None:
            count = asyncio.run(_export(sys.stdout, data_dir))
        else:
            with replacing(file) as out:
                count = asyncio.run(_export(out, data_dir))
    except OSError as error:
        raise AsrError(f"Can't write: {error.strerror}.", code="io_error") from error
    print(f"{count} transcripts exported.", file=sys.stderr)


def import_(file: Path | None, data_dir: Path | None) -> None:
    """Add what `export` wrote; existing transcripts are skipped."""
    try:
        if file is None:
            new, seen = asyncio.run(_import(sys.stdin, data_dir))
        else:
            with file.open(encoding="utf-8") as lines:
                new, seen = asyncio.run(_import(lines, data_dir))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest("The file can't be read as text.") from error
    print(f"{new} transcripts imported, {seen - new} were there already.", file=sys.stderr)


async def _export(out: TextIO, data_dir: Path | None) -> int:
    count = after = 0
    async with _history(data_dir) as history:
        while some := await history.entries(after, _AT_ONCE):
            out.writelines(f"{_ENTRY.dump_json(entry).decode()}\n" for entry in some)
            count, after = count + len(some), some[-1].id
        out.flush()
    return count


async def _import(lines: TextIO, data_dir: Path | None) -> tuple[int, int]:
    new = seen = 0
    entries = _parsed(lines)
    async with _history(data_dir) as history:
        while some := list(islice(entries, _AT_ONCE)):
            new += await history.add(some)
            seen += len(some)
    return new, seen


def _parsed(lines: Iterable[str]) -> Iterator[HistoryEntry]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _ENTRY.validate_json(line)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise InvalidRequest(
                f"Line {number} is no exported transcript: {where or 'no JSON'}. "
                "What stood before it is imported."
            ) from error


@asynccontextmanager
async def _history(data_dir: Path | None) -> AsyncIterator[SqlHistory]:
    history = make_history(load(data_dir=data_dir))
    try:
        yield history
    finally:
        await history.close()
