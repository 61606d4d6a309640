"""Blobs in a bucket of anything that speaks Amazon's S3 protocol, shared by all machines."""

from __future__ import annotations

import asyncio
import hashlib
import re
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO, TypeVar, cast

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from zhiyin.domain.errors import ConfigError, MissingBlob, TooLarge, Unavailable
from zhiyin.ports.blobs import Written

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9_-]{2,80}(\.[A-Za-z0-9_-]{1,16}){0,2}")
_GONE = "The recording or transcript is not kept any more."
_AWAY = "The store of recordings can't be reached. Try again later."
_PART_BYTES = 8 << 20  # of an upload; S3 takes at most 10,000 parts
_PARTS_AT_ONCE = 2
_READ_BYTES = 1 << 20
_RETRIES = 3
_ABSENT = (FileNotFoundError, NotFoundError)  # it raises Python's own for some calls


@dataclass(frozen=True, slots=True)
class S3Address:
    """`endpoint` and `region` empty: Amazon's; `key` empty: from the environment, as AWS tools."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    key: str = ""
    secret: str = ""
    timeout_s: float = 30.0


class S3Blobs:
    """Implements `ports.blobs.BlobStore`. An upload is visible when it is whole, as S3 promises.

    `open` copies to a temporary file first: decoders seek, and readers of a value that is deleted
    meanwhile read on. Parts of an upload that was cut off cost storage until the
    bucket's lifecycle rule for incomplete multipart uploads removes them.
    """

    def __init__(self, address: S3Address) -> None:
        self._store = _store(address)

    async def write(self, name: str, chunks: AsyncIterable[bytes], max_bytes: int) -> Written:
        """In parts, so that no more than a few are in memory."""
        path, source = _checked(name), _Source(chunks, max_bytes)
        try:
            await obstore.put_async(
                self._store, path, source.read(), chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )  # fmt: skip
        except (BaseError, OSError) as error:  # a bucket that is missing, too
            if source.failure is not None:
                raise source.failure from None
            raise Unavailable(_AWAY) from error
        return Written(source.size, source.digest.hexdigest())

    async def open(self, name: str) -> BinaryIO:
        """A private copy of the object."""
        path = _checked(name)
        file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 (the caller closes it)
        try:
            with _reached():
                found = await obstore.get_async(self._store, path)
                async for part in found.stream(min_chunk_size=_READ_BYTES):
                    await asyncio.to_thread(file.write, part)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    async def delete(self, name: str) -> bool:
        """HEAD first: a DELETE in S3 does not return whether there was an object."""
        path = _checked(name)
        with _reached():
            try:
                await obstore.head_async(self._store, path)
            except _ABSENT:
                return False
            await obstore.delete_async(self._store, path)
        return True

    async def free_bytes(self) -> int | None:
        """A bucket has no end."""
        return None

    async def names(self, after: float, before: float) -> Sequence[str]:
        """By the store's own clock, whole seconds; foreign objects are left alone."""
        found: list[str] = []
        with _reached():
            async for some in obstore.list(self._store):
                for one in some:
                    written = one["last_modified"].timestamp()
                    if after <= written < before and _NAME.fullmatch(one["path"]):
                        found.append(one["path"])
        return found


class _Source:
    """What is uploaded, counted; `failure` is what broke it off."""

    def __init__(self, chunks: AsyncIterable[bytes], max_bytes: int) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self.failure: BaseException | None = None
        self._chunks = chunks
        self._max_bytes = max_bytes

    async def read(self) -> AsyncIterator[bytes]:
        """The chunks. Raises TooLarge, and what the source raises."""
        try:
            async for chunk in self._chunks:
                self.size += len(chunk)
                if self.size > self._max_bytes:
                    raise TooLarge(
                        f"The recording is larger than {self._max_bytes} bytes.", param="file"
                    )
                self.digest.update(chunk)
                yield chunk
        except BaseException as error:
            self.failure = error
            raise


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise MissingBlob(_GONE)
    return name


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except _ABSENT as error:
        raise MissingBlob(_GONE) from error
    except (BaseError, OSError) as error:
        raise Unavailable(_AWAY) from error


def _store(address: S3Address) -> S3Store:
    given: dict[str, Any] = {
        "prefix": address.prefix, "endpoint": address.endpoint, "region": address.region,
        "access_key_id": address.key, "secret_access_key": address.secret,
    }  # fmt: skip
    try:
        return S3Store(
            address.bucket,
            **{name: value for name, value in given.items() if value},
            client_options={
                "allow_http": address.endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=min(5.0, address.timeout_s)),
                "timeout": timedelta(seconds=address.timeout_s),
            },
            retry_config={
                "max_retries": _RETRIES, "retry_timeout": timedelta(seconds=address.timeout_s),
            },
        )  # fmt: skip
    except (BaseError, ValueError) as error:
        raise ConfigError("jobs.blobs: the S3 address can't be used.") from error
