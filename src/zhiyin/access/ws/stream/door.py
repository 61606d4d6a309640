"""One connection of the native protocol."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from zhiyin.access.http.deps import owner
from zhiyin.access.ws.stream import render
from zhiyin.access.ws.stream.held import Held, HeldSession
from zhiyin.access.ws.stream.schemas import Commit, Eof, Ping, Resume, Start, read
from zhiyin.domain.errors import AsrError, DeadlineExceeded, InvalidRequest, TooLarge

log = logging.getLogger(__name__)

_TAKEN_OVER = 4409


class Connection:
    """From the handshake to the close; `held` is its session once it is known."""

    def __init__(
        self, websocket: WebSocket, shared: Held, *, idle_s: float, max_bytes: int
    ) -> None:
        self._websocket = websocket
        self._shared = shared
        self._idle_s = idle_s
        self._max_bytes = max_bytes
        self._sending = asyncio.Lock()
        self._code = 1000

    async def run(self) -> None:
        """Serve the client until one of the two ends it."""
        held: HeldSession | None = None
        try:
            held, after = await self._opened()
            over = await self._converse(held, after)
        except WebSocketDisconnect:
            if held is not None:
                self._shared.leave(held)
        except AsrError as error:
            await self._refuse(error)
            if held is not None:
                await self._shared.end(held)
        else:
            if over:
                await self._shared.end(held)

    async def _opened(self) -> tuple[HeldSession, int]:
        """The session of the first message, and the last event its client has seen."""
        message = await self._receive()
        if message.get("text") is None:
            raise InvalidRequest(
                'The first message must be text: {"type": "start", ...}.', code="not_started"
            )
        first = read(message["text"])
        if isinstance(first, Start):
            held = await self._shared.open(first, owner(self._websocket))
            after, rate = 0, first.sample_rate
        elif isinstance(first, Resume):
            held, after, rate = self._shared.resume(first), first.last_event, None
        else:
            raise InvalidRequest(
                'The first message must be of type "start" or "resume".', code="not_started"
            )
        ready = {"type": "ready", "session_id": held.id, "model": held.live.model}
        seconds = round(held.live.received_s, 3)
        await self._send(ready | {"sample_rate": rate, "received_s": seconds})
        return held, after

    async def _converse(self, held: HeldSession, after: int) -> bool:
        """Listen and tell at once, until all is told; False when another connection took over.

        Raises WebSocketDisconnect when the client is gone, AsrError when its events are.
        """
        taken = asyncio.Event()
        held.let_go = taken.set
        telling = asyncio.create_task(self._tell(held, after))
        listening = asyncio.create_task(self._listen(held))
        waiting = asyncio.create_task(taken.wait())
        try:
            tasks = {telling, listening, waiting}
            while telling in tasks and waiting in tasks:
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            if waiting in tasks:
                held.let_go = None
            code = _TAKEN_OVER if taken.is_set() else self._code
            with suppress(RuntimeError, WebSocketDisconnect):
                await self._websocket.close(code)
            return not taken.is_set()
        finally:
            for task in (telling, listening, waiting):
                task.cancel()
            await asyncio.gather(telling, listening, waiting, return_exceptions=True)

    async def _tell(self, held: HeldSession, after: int) -> None:
        async for event in held.events(after):
            await self._send(event)

    async def _listen(self, held: HeldSession) -> None:
        """Take messages until `eof`; one that is wrong is answered, and forgotten.

        When the session can't go on, what was said until then is still told.
        """
        try:
            while True:
                message = await self._receive()
                try:
                    if await self._take(held, message):
                        return
                except InvalidRequest as error:
                    await self._send(render.error(error))
        except AsrError as error:
            self._code = render.close_code(error)
            await self._send(render.error(error))
            with suppress(AsrError):
                await held.finish()

    async def _take(self, held: HeldSession, message: Any) -> bool:
        """Whether it was the last message."""
        if message.get("bytes") is not None:
            await held.feed(message["bytes"])
            return False
        wanted = read(message["text"])
        if isinstance(wanted, Eof):
            await held.finish()
            return True
        if isinstance(wanted, Commit):
            await held.live.commit()
        elif isinstance(wanted, Ping):
            await self._send({"type": "pong"})
        else:
            raise InvalidRequest("The session has started already.", code="started_already")
        return False

    async def _receive(self) -> Any:
        try:
            async with asyncio.timeout(self._idle_s):
                message = await self._websocket.receive()
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"Nothing was sent for {self._idle_s:g} s.", code="session_expired"
            ) from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        size = len(message.get("bytes") or message.get("text") or "")
        if size > self._max_bytes:
            raise TooLarge(
                f"A message may have {self._max_bytes >> 10} KiB. Send the sound in smaller ones."
            )
        return message

    async def _send(self, event: render.Json) -> None:
        async with self._sending:
            await self._websocket.send_json(event)

    async def _refuse(self, error: AsrError) -> None:
        with suppress(RuntimeError, WebSocketDisconnect):  # it may be gone already
            await self._send(render.error(error))
            await self._websocket.close(render.close_code(error))


async def serve(websocket: WebSocket, shared: Held, *, idle_s: float, max_bytes: int) -> None:
    """Speak with a client whose handshake was accepted."""
    try:
        await Connection(websocket, shared, idle_s=idle_s, max_bytes=max_bytes).run()
    except Exception:
        log.exception("a live session broke")
        with suppress(RuntimeError, WebSocketDisconnect):
            await websocket.close(1011)
