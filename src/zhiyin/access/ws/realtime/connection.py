"""The WebSocket of the Realtime protocol."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from zhiyin.access.context import AppContext, Service
from zhiyin.access.json_types import Json
from zhiyin.access.ws.errors import INTERNAL
from zhiyin.access.ws.read_ahead import ReadAhead
from zhiyin.access.ws.realtime import client, render
from zhiyin.access.ws.realtime.client import ClientEvent
from zhiyin.access.ws.realtime.input import AudioInput
from zhiyin.access.ws.realtime.schemas import FlatSession
from zhiyin.access.ws.realtime.send_queue import SendQueue
from zhiyin.access.ws.realtime.settings import SessionSettings
from zhiyin.access.ws.transport import GONE, Transport, converse, let_go
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import AsrError, DeadlineExceeded, InvalidRequest, SlowReader, TooLong

log = logging.getLogger(__name__)


class Connection:
    """One client, from the handshake on. `flat` speaks the older shape of sessions."""

    def __init__(
        self,
        wire: Transport,
        service: Service,
        settings: SessionSettings,
        tasks: asyncio.TaskGroup,
        caller: Caller,
        *,
        flat: bool,
    ) -> None:
        limits = service.live.limits
        self._wire = wire
        self._outbox = SendQueue(limits.max_events)
        self._id = caller.request_id
        self._expires_at = int(time.time() + limits.max_seconds)
        self._problem: AsrError | None = None
        self._input = AudioInput(service, settings, self._outbox.put, tasks.create_task, caller)
        self._input.conversation.flat = flat
        self._handlers: dict[str, Callable[[ClientEvent], Awaitable[None]]] = {
            "session.update": self._update,
            "transcription_session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
        }

    async def run(self) -> None:
        """Answer the client until it leaves, or may stay no longer."""
        self._tell_session("transcription_session" if self._flat else "session", "created")
        try:
            await converse(self._tell(), self._listen(), self._outbox.hold)
            await self._wire.close(self._problem)
        except WebSocketDisconnect:
            pass
        except SlowReader as error:
            await self._input.close()
            await self._wire.refuse(error)
        finally:
            let_go(self._outbox.hold)
            await self._input.close()

    @property
    def _flat(self) -> bool:
        return self._input.conversation.flat

    async def _tell(self) -> None:
        async for event in self._outbox.read():
            await self._wire.send(event)

    async def _listen(self) -> None:
        """Take messages until the session can't go on; what was said until then is still told."""
        while self._problem is None:
            event_id: str | None = None
            try:
                event = _event(await self._wire.receive())
                event_id = event.event_id
                await self._handler(event)(event)
            except AsrError as error:
                self._refuse(error, event_id)
                if isinstance(error, TooLong | DeadlineExceeded):
                    self._problem = error
        await self._input.end()
        self._outbox.finish()

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

    def _refuse(self, error: AsrError, event_id: str | None) -> None:
        body = render.error(error, event_id)
        self._outbox.put([self._input.conversation.event("error", error=body)])

    async def _update(self, event: ClientEvent) -> None:
        fields = client.session_of(event)
        await self._input.update(self._input.settings.updated(fields))
        self._input.conversation.flat = isinstance(fields, FlatSession)
        self._tell_session(event.kind.removesuffix(".update"), "updated")

    async def _append(self, event: ClientEvent) -> None:
        await self._input.append(client.audio_of(event))

    async def _commit(self, event: ClientEvent) -> None:
        await self._input.commit()

    async def _clear(self, event: ClientEvent) -> None:
        await self._input.clear()

    def _tell_session(self, kind: str, what: str) -> None:
        view = render.session(self._input.settings, self._id, self._expires_at, flat=self._flat)
        self._outbox.put([self._input.conversation.event(f"{kind}.{what}", session=view)])


def _event(message: str | bytes) -> ClientEvent:
    if isinstance(message, bytes):
        raise InvalidRequest(
            "Binary messages are not understood; audio comes in base64, in "
            "input_audio_buffer.append.",
            code="invalid_event",
        )
    return client.read(message)


async def serve(
    websocket: WebSocket, context: AppContext, settings: SessionSettings, caller: Caller, *,
    flat: bool,
) -> None:  # fmt: skip
    """Serve a client whose handshake was accepted, until one of the two ends it."""
    most = client.MAX_MESSAGE_BYTES
    try:
        async with ReadAhead(websocket, most) as ahead, asyncio.TaskGroup() as tasks:
            wire = Transport(
                websocket, ahead.receive, _goodbye, idle_s=context.limits.idle_s, max_bytes=most
            )
            await Connection(wire, context.service, settings, tasks, caller, flat=flat).run()
    except Exception:
        log.exception("a realtime session broke")
        with suppress(*GONE):  # it may be closed already
            await websocket.close(INTERNAL)


def _goodbye(error: AsrError) -> Json:
    body = render.error(error, None)
    return {"type": "error", "event_id": render.new_id("event"), "error": body}
