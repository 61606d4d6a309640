"""Reads messages ahead while one is handled.

A server that stops reading answers no pings either, and a client that pings (the official one does,
every 20 s) hangs up then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Self

from starlette.types import Message
from starlette.websockets import WebSocket

AHEAD_BYTES = 20 << 20
"""Of messages that wait, when audio comes faster than it is decoded."""

_AROUND = 512  # bytes of memory that an empty message takes, about


class ReadAhead:
    """Messages in the order they came; while `most` bytes wait, no more are read.

    A context manager; inside of it the reading goes on.
    """

    def __init__(self, websocket: WebSocket, most: int = AHEAD_BYTES) -> None:
        self._websocket = websocket
        self._most = most
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        """Until the client is gone."""
        gone = False
        while not gone:
            message = await self._websocket.receive()
            gone = message["type"] == "websocket.disconnect"
            self._waiting.append(message)
            self._bytes += _size(message)
            self._changed.set()
            while self._bytes >= self._most:
                await self._change()

    async def receive(self) -> Message:
        """The next one."""
        while not self._waiting:
            await self._change()
        message = self._waiting.popleft()
        self._bytes -= _size(message)
        self._changed.set()
        return message

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def _size(message: Message) -> int:
    return _AROUND + len(message.get("text") or message.get("bytes") or b"")
