"""One WebSocket: whole messages in, events out, within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from zhiyin.access.json_types import Json
from zhiyin.access.ws.errors import close_code
from zhiyin.domain.errors import AsrError, DeadlineExceeded, TooLarge

GONE = (RuntimeError, WebSocketDisconnect)
"""What sending raises when the client is no longer there."""


Attachment = asyncio.Future[NoReturn]
"""What keeps a conversation going; it ends with the reason to break it off."""


class Transport:
    """A connection that was accepted.

    Messages come from `receive`; `render` makes the event of an error.
    """

    def __init__(
        self,
        websocket: WebSocket,
        receive: Callable[[], Awaitable[Message]],
        render: Callable[[AsrError], Json],
        *,
        idle_s: float,
        max_bytes: int,
    ) -> None:
        self._websocket = websocket
        self._receive = receive
        self._render = render
        self._idle_s = idle_s
        self._max_bytes = max_bytes

    async def receive(self, *, patient: bool = False) -> str | bytes:
        """The next message. Raises WebSocketDisconnect, TooLarge, DeadlineExceeded if impatient."""
        try:
            async with asyncio.timeout(None if patient else self._idle_s):
                message = await self._receive()
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"Nothing was sent for {self._idle_s:g} s.", code="session_expired"
            ) from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        text: str | None = message.get("text")
        data: str | bytes = (message.get("bytes") or b"") if text is None else text
        if len(data) > self._max_bytes:
            raise TooLarge(
                f"A message may have {self._max_bytes >> 10} KiB. Send the sound in smaller ones.",
                code="message_too_large",
            )
        return data

    async def send(self, event: Json) -> None:
        """Raises WebSocketDisconnect."""
        try:
            await self._websocket.send_json(event)
        except RuntimeError as error:  # uvicorn has closed by itself, for a broken frame say
            raise WebSocketDisconnect(1006) from error

    async def refuse(self, error: AsrError) -> None:
        """Say why, and goodbye; a client that takes neither is left alone after the idle time."""
        with suppress(TimeoutError, *GONE):
            async with asyncio.timeout(self._idle_s):
                await self._websocket.send_json(self._render(error))
                await self._websocket.close(close_code(error), error.code)

    async def close(self, problem: AsrError | None) -> None:
        """Goodbye; the problem was told."""
        with suppress(*GONE):
            if problem is None:
                await self._websocket.close()
            else:
                await self._websocket.close(close_code(problem), problem.code)


async def converse(
    telling: Coroutine[Any, Any, None], listening: Coroutine[Any, Any, None], hold: Attachment
) -> None:
    """Tell and listen at once, until all is told; raises what any of them raises."""
    tell, listen = asyncio.create_task(telling), asyncio.create_task(listening)
    waiting: set[asyncio.Future[Any]] = {tell, listen, hold}
    try:
        while tell in waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for future in sorted(done, key=lambda f: f is not hold):  # its reason counts most
                future.result()
    finally:
        for task in (tell, listen):
            task.cancel()
        await asyncio.gather(tell, listen, return_exceptions=True)


def let_go(hold: Attachment) -> None:
    """The conversation is over; a reason that nobody took is none."""
    if not hold.cancel() and not hold.cancelled():
        hold.exception()
