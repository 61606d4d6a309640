"""One WebSocket: whole messages in, events out, within limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from zhiyin.access.json_types import Json
from zhiyin.access.ws.errors import INTERNAL, close_code, error_event
from zhiyin.access.ws.protocol import pings_of
from zhiyin.access.ws.read_ahead import AHEAD_BYTES, ReadAhead
from zhiyin.domain.errors import AsrError, DeadlineExceeded, SlowReader, TooLarge

log = logging.getLogger(__name__)

_GONE = (RuntimeError, WebSocketDisconnect)  # raised by sending when the client has disconnected

Render = Callable[[AsrError], Json]
"""Makes the event of an error."""


class Transport:
    """A connection that was accepted; messages come from `receive`.

    A client that sends nothing for `idle_s`, not even pings, or no sound for `max_idle_s`, or takes
    nothing for `stall_s`, is disconnected; a message has at most `max_bytes`.
    """

    def __init__(
        self, websocket: WebSocket, receive: Callable[[], Awaitable[Message]], render: Render, *,
        idle_s: float, max_idle_s: float, max_bytes: int, stall_s: float | None = None,
    ) -> None:  # fmt: skip
        self._websocket = websocket
        self._receive = receive
        self._render = render
        self._idle_s = idle_s
        self._max_idle_s = max(idle_s, max_idle_s)
        self._pings = pings_of(websocket)
        self._sound_at = self._waits_since = asyncio.get_running_loop().time()
        self._max_bytes = max_bytes
        self._stall_s = stall_s

    async def receive(self, *, patient: bool = False) -> str | bytes:
        """The next message. Raises WebSocketDisconnect, TooLarge, DeadlineExceeded if impatient."""
        message = await (self._receive() if patient else self._receive_in_time())
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

    def note_sound(self) -> None:
        """The last message brought sound."""
        self._sound_at = asyncio.get_running_loop().time()

    async def _receive_in_time(self) -> Message:
        loop = asyncio.get_running_loop()
        self._waits_since = loop.time()
        while (left_s := self._expires_at() - loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    return await self._receive()
        what, seconds = ("Nothing", self._idle_s)
        if self._expires_at() < self._idle_at():
            what, seconds = "No sound", self._max_idle_s
        raise DeadlineExceeded(f"{what} was sent for {seconds:g} s.", code="session_expired")

    def _idle_at(self) -> float:
        return max(self._waits_since, self._pings.last_at) + self._idle_s

    def _expires_at(self) -> float:
        return min(self._idle_at(), self._sound_at + self._max_idle_s)

    async def send(self, event: Json | str) -> None:
        """Send an event, or one that is JSON already. Raises WebSocketDisconnect, SlowReader."""
        try:
            async with asyncio.timeout(self._stall_s):
                if isinstance(event, str):
                    await self._websocket.send_text(event)
                else:
                    await self._websocket.send_json(event)
        except TimeoutError as error:
            raise SlowReader("Nothing was read on this connection for too long.") from error
        except RuntimeError as error:  # uvicorn has closed by itself, for a broken frame say
            raise WebSocketDisconnect(1006) from error

    async def refuse(self, error: AsrError) -> None:
        """Send the error and close; a client that takes neither is left after the idle time."""
        with suppress(TimeoutError, *_GONE):
            async with asyncio.timeout(self._idle_s):
                await self._websocket.send_json(self._render(error))
                await self._websocket.close(close_code(error), error.code)

    async def close(self, problem: AsrError | None = None) -> None:
        """Close, with the code of a problem that was sent."""
        with suppress(*_GONE):
            if problem is None:
                await self._websocket.close()
            else:
                await self._websocket.close(close_code(problem), problem.code)


@asynccontextmanager
async def serving(
    websocket: WebSocket, *, idle_s: float, max_idle_s: float, max_bytes: int,
    stall_s: float | None = None, ahead_bytes: int = AHEAD_BYTES, render: Render = error_event,
) -> AsyncIterator[Transport]:  # fmt: skip
    """The transport of an accepted connection; errors raised inside close it.

    While `ahead_bytes` wait no more is read; 0 reads nothing ahead.
    """
    async with AsyncExitStack() as stack:
        receive = websocket.receive
        if ahead_bytes:
            receive = (await stack.enter_async_context(ReadAhead(websocket, ahead_bytes))).receive
        transport = Transport(
            websocket, receive, render, idle_s=idle_s, max_idle_s=max_idle_s,
            max_bytes=max_bytes, stall_s=stall_s,
        )  # fmt: skip
        try:
            yield transport
        except WebSocketDisconnect:
            pass
        except AsrError as error:
            await transport.refuse(error)
        except Exception:
            log.exception("a live connection failed")
            with suppress(*_GONE):  # it may be closed already
                await websocket.close(INTERNAL)
