"""The WebSocket of the Realtime protocol."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from zhiyin.access.http.deps import Door, owner
from zhiyin.access.ws.realtime import client, render
from zhiyin.access.ws.realtime.client import ClientEvent
from zhiyin.access.ws.realtime.schemas import FlatSession, Json
from zhiyin.access.ws.realtime.settings import SessionSettings
from zhiyin.access.ws.realtime.talk import Talk
from zhiyin.domain.errors import AsrError, DeadlineExceeded, InvalidRequest, TooLong
from zhiyin.domain.history import Caller

log = logging.getLogger(__name__)


class Connection:
    """One client, from the handshake on. `flat` speaks the older shape of sessions."""

    def __init__(
        self,
        websocket: WebSocket,
        door: Door,
        settings: SessionSettings,
        tasks: asyncio.TaskGroup,
        *,
        flat: bool,
    ) -> None:
        self._websocket = websocket
        self._idle_s = door.idle_s
        self._id = render.new_id("sess")
        self._expires_at = int(time.time() + door.service.live.limits.max_seconds)
        stored = websocket.query_params.get("store", "true") != "false"
        caller = Caller(owner(websocket), self._id, "realtime") if stored else None
        self._talk = Talk(door.service, settings, websocket.send_json, _spawner(tasks), caller)
        self._talk.conversation.flat = flat
        self._handlers: dict[str, Callable[[ClientEvent], Awaitable[None]]] = {
            "session.update": self._update,
            "transcription_session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
        }

    async def run(self) -> None:
        """Answer the client until it leaves, or may stay no longer."""
        try:
            await self._tell_session(
                "transcription_session" if self._flat else "session", "created"
            )
            while await self._step():
                pass
            await self._talk.end()
            await self._websocket.close()
        except WebSocketDisconnect:
            pass
        finally:
            await self._talk.close()

    @property
    def _flat(self) -> bool:
        return self._talk.conversation.flat

    async def _step(self) -> bool:
        """Take a message; whether another one may follow."""
        try:
            async with asyncio.timeout(self._idle_s):
                message = await self._websocket.receive()
        except TimeoutError:
            await self._refuse(
                DeadlineExceeded(
                    f"Nothing was sent for {self._idle_s:g} s.", code="session_expired"
                )
            )
            return False
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        return await self._answer(message)

    async def _answer(self, message: Any) -> bool:
        event_id: str | None = None
        try:
            if message.get("text") is None:
                raise InvalidRequest(
                    "Binary messages are not understood; audio comes in base64, in "
                    "input_audio_buffer.append.",
                    code="invalid_event",
                )
            event = client.read(message["text"])
            event_id = event.event_id
            await self._handler(event)(event)
        except AsrError as error:
            await self._refuse(error, event_id)
            return not isinstance(error, TooLong)
        return True

    def _handler(self, event: ClientEvent) -> Callable[[ClientEvent], Awaitable[None]]:
        if not event.kind:
            raise InvalidRequest(
                "Missing required parameter: 'type'.",
                code="missing_required_parameter",
                param="type",
            )
        if event.kind not in self._handlers:
            known = ", ".join(f"'{name}'" for name in self._handlers)
            raise InvalidRequest(
                f"Invalid value: '{event.kind[:80]}'. Supported values are: {known}.",
                code="invalid_value",
                param="type",
            )
        return self._handlers[event.kind]

    async def _refuse(self, error: AsrError, event_id: str | None = None) -> None:
        body = render.error(error, event_id)
        await self._talk.say(lambda: [self._talk.conversation.event("error", error=body)])

    async def _update(self, event: ClientEvent) -> None:
        fields = client.session_of(event)
        await self._talk.update(self._talk.settings.updated(fields))
        self._talk.conversation.flat = isinstance(fields, FlatSession)
        await self._tell_session(event.kind.removesuffix(".update"), "updated")

    async def _append(self, event: ClientEvent) -> None:
        await self._talk.append(client.audio_of(event))

    async def _commit(self, event: ClientEvent) -> None:
        await self._talk.commit()

    async def _clear(self, event: ClientEvent) -> None:
        await self._talk.clear()

    async def _tell_session(self, kind: str, what: str) -> None:
        view: Json = render.session(
            self._talk.settings, self._id, self._expires_at, flat=self._flat
        )
        await self._talk.say(
            lambda: [self._talk.conversation.event(f"{kind}.{what}", session=view)]
        )


async def serve(websocket: WebSocket, door: Door, settings: SessionSettings, *, flat: bool) -> None:
    """Speak with a client whose handshake was accepted, until one of the two ends it."""
    try:
        async with asyncio.TaskGroup() as tasks:
            await Connection(websocket, door, settings, tasks, flat=flat).run()
    except Exception:
        log.exception("a realtime session broke")
        await _close_broken(websocket)


async def _close_broken(websocket: WebSocket) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):  # it may be closed already
        await websocket.close(1011)


def _spawner(tasks: asyncio.TaskGroup) -> Callable[[Awaitable[None]], asyncio.Task[None]]:
    async def until_gone(work: Awaitable[None]) -> None:
        # The reader learns of it as well, and ends the session.
        with suppress(WebSocketDisconnect):
            await work

    return lambda work: tasks.create_task(until_gone(work))
