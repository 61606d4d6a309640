"""What a protocol over WebSocket implements, and the loops that all of them share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Coroutine
from typing import Any, NoReturn, Protocol

from zhiyin.access.json_types import Json
from zhiyin.access.ws.transport import Transport
from zhiyin.core.tasks import cancel_all
from zhiyin.domain.errors import AsrError

Attachment = asyncio.Future[NoReturn]
"""Keeps a connection going; it ends with the error that breaks it off."""


class Dialect(Protocol):
    """One protocol on one connection: parses messages and acts on them."""

    @property
    def reading(self) -> bool:
        """Whether another message is read; not after the last, or an error that ends it all."""
        ...

    @property
    def patient(self) -> bool:
        """Whether the client may be idle, since it has no more to send."""
        ...

    async def handle(self, message: str | bytes) -> None:
        """Act on a message. Raises AsrError."""
        ...

    async def fail(self, error: AsrError) -> None:
        """Report an error of a message, or of the transport."""
        ...


async def read_messages(transport: Transport, dialect: Dialect) -> None:
    """Receive and handle messages until the dialect wants no more. Raises WebSocketDisconnect."""
    while dialect.reading:
        try:
            await dialect.handle(await transport.receive(patient=dialect.patient))
        except AsrError as error:
            await dialect.fail(error)
        await asyncio.sleep(0)  # many messages may wait, and handling one need not wait itself


async def send_events(transport: Transport, events: AsyncIterable[Json | str]) -> None:
    """Send events until there are no more. Raises WebSocketDisconnect, SlowReader."""
    async for event in events:
        await transport.send(event)


async def converse(
    sending: Coroutine[Any, Any, None],
    reading: Coroutine[Any, Any, None],
    attachment: asyncio.Future[Any] | None = None,
) -> None:
    """Send and read concurrently until all is sent; raises what any of the three raises."""
    send, read = asyncio.create_task(sending), asyncio.create_task(reading)
    waiting: set[asyncio.Future[Any]] = {send, read, *([attachment] if attachment else [])}
    try:
        while send in waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for future in sorted(done, key=lambda f: f is not attachment):  # its error comes first
                future.result()
    finally:
        await cancel_all([send, read])


def let_go(attachment: Attachment) -> None:
    """The connection is over; an error that was not taken is none."""
    if not attachment.cancel() and not attachment.cancelled():
        attachment.exception()
