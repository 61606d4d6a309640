"""Blobs as files of a folder, which several machines may share."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from zhiyin.domain.errors import MissingBlob, TooLarge, Unavailable
from zhiyin.ports.blobs import Written

if TYPE_CHECKING:
    _File = tempfile._TemporaryFileWrapper[bytes]

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9_-]{2,80}(\.[A-Za-z0-9_-]{1,16}){0,2}")
_GONE = "The recording or transcript is not kept any more."
_FULL = "The server could not store this; its disk may be full."


class FolderBlobs:
    """Implements `ports.blobs.BlobStore`.

    A value is written beside its place and renamed into it, so that it is there whole or not at
    all, also after a power cut. 256 folders by the last two characters of the name's first part.
    """

    def __init__(self, folder: Path, threads: int = 2) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="zhiyin-blobs")

    async def write(self, name: str, chunks: AsyncIterable[bytes], max_bytes: int) -> Written:
        """Chunk by chunk, on a thread."""
        path = self._path(name)
        digest, size = hashlib.sha256(), 0
        file = await self._run(lambda: _begin(path))
        try:
            async for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    raise TooLarge(f"The recording is larger than {max_bytes} bytes.", param="file")
                digest.update(chunk)
                await self._run(lambda data=chunk: file.write(data))  # type: ignore[misc]
            await _finished(self._run(lambda: _finish(file, path)))
        except BaseException:
            await asyncio.shield(self._run(lambda: _abandon(file)))
            raise
        return Written(size, digest.hexdigest())

    async def open(self, name: str) -> BinaryIO:
        """The file."""
        path = self._path(name)
        try:
            return await self._run(lambda: path.open("rb"))
        except FileNotFoundError as error:
            raise MissingBlob(_GONE) from error

    async def delete(self, name: str) -> bool:
        """Unlink; an open reader reads on."""
        path = self._path(name)
        try:
            await self._run(path.unlink)
        except FileNotFoundError:
            return False
        return True

    async def free_bytes(self) -> int | None:
        """Of the folder's file system."""
        return await self._run(lambda: shutil.disk_usage(_existing(self._folder)).free)

    async def names(self, after: float, before: float) -> Sequence[str]:
        """By the files' times; files that were never finished are deleted on the way."""
        return await self._run(lambda: list(self._written(after, before)))

    def _written(self, after: float, before: float) -> Iterator[str]:
        for path in self._folder.glob("??/*"):
            try:
                if not after <= path.stat().st_mtime < before:
                    continue
                if _NAME.fullmatch(path.name):
                    yield path.name
                else:
                    path.unlink()
            except FileNotFoundError:
                continue

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise MissingBlob(_GONE)
        return self._folder / name.split(".", 1)[0][-2:] / name

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unavailable(_FULL) from error


async def _finished(work: Coroutine[Any, Any, None]) -> None:
    """Wait for the end also when cancelled: nothing else may use the file before."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    finally:
        await asyncio.wait({task})


def _existing(folder: Path) -> Path:
    """The folder, or the one in which it will be made."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _begin(path: Path) -> _File:
    for folder in (path.parent.parent, path.parent):  # `parents` would not have the mode
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return tempfile.NamedTemporaryFile(prefix=".", dir=path.parent, delete=False)


def _finish(file: _File, path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    Path(file.name).replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _abandon(file: _File) -> None:
    file.close()
    Path(file.name).unlink(missing_ok=True)
