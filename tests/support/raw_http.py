"""HTTP by hand: forms byte for byte, requests that no client library would send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

BOUNDARY = "zhiyin-form"
WAIT_S = 60.0


def form(*parts: tuple[str, str, bytes]) -> tuple[bytes, str]:
    """A multipart body of (name, more of the disposition, bytes), and its Content-Type."""
    body = b""
    for name, more, data in parts:
        disposition = f'form-data; name="{name}"' + (f"; {more}" if more else "")
        body += f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
        body += data + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"


def assert_error(
    answer: httpx.Response, status: int, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """It is an error in the API's shape, with that status, param and code (None: any)."""
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert code in (None, error["code"]), error
    assert param in (None, error["param"]), error
    return error


@dataclass
class Answer:
    """What came back on a connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """That of the error."""
        return str(json.loads(self.body)["error"]["code"])


@dataclass
class RawConnection:
    """A connection to a server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """These bytes, now; the server may have closed."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except ConnectionError:
            pass

    async def answer(self) -> Answer:
        """The next response, whose body has a length or ends with the connection."""
        async with asyncio.timeout(WAIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.split(": ", 1) for line in head[1:] if line)
            headers = {name.lower(): value for name, value in pairs}
            length = headers.get("content-length")
            body = await (
                self.reader.read() if length is None else self.reader.readexactly(int(length))
            )
        return Answer(int(head[0].split()[1]), headers, body)

    async def closed(self) -> bytes:
        """What still comes until the server closes."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[RawConnection]:
    """A connection to the server at this address."""
    parts = urlsplit(url)
    connection = RawConnection(*await asyncio.open_connection(parts.hostname, parts.port))
    try:
        yield connection
    finally:
        connection.writer.close()
