"""A connection of the Realtime protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from starlette.websockets import WebSocketDisconnect

from zhiyin.access.context import Service
from zhiyin.access.ws.dialect import converse, let_go, read_messages, send_events
from zhiyin.access.ws.realtime import client, render
from zhiyin.access.ws.realtime.client import ClientEvent
from zhiyin.access.ws.realtime.input import AudioInput
from zhiyin.access.ws.realtime.schemas import FlatSession
from zhiyin.access.ws.realtime.send_queue import SendQueue
from zhiyin.access.ws.realtime.settings import SessionSettings
from zhiyin.access.ws.transport import Transport
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import AsrError, DeadlineExceeded, SlowReader, TooLong


class Connection:
    """Implements `access.ws.dialect.Dialect` for a client whose handshake was accepted.

    `flat` speaks the older shape of sessions. An error of a message is answered with its id.
    """

    def __init__(
        self,
        transport: Transport,
        service: Service,
        settings: SessionSettings,
        tasks: asyncio.TaskGroup,
        caller: Caller,
        *,
        flat: bool,
    ) -> None:
        limits = service.live.limits
        self._transport = transport
        self._queue = SendQueue(limits.max_events)
        self._defaults = service.live.defaults
        self._id = caller.request_id
        self._expires_at = int(time.time() + limits.max_seconds)
        self._event_id: str | None = None  # of the message that is handled
        self._problem: AsrError | None = None
        self._input = AudioInput(service, settings, self._queue.put, tasks.create_task, caller)
        self._input.conversation.flat = flat
        self._handlers: dict[str, Callable[[ClientEvent], Awaitable[None]]] = {
            "session.update": self._update,
            "transcription_session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": lambda _: self._input.commit(),
            "input_audio_buffer.clear": lambda _: self._input.clear(),
        }

    async def run(self) -> None:
        """Read and send until the client leaves, or the session can't go on."""
        self._queue_session("transcription_session" if self._flat else "session", "created")
        events = self._queue.read()
        try:
            await converse(
                send_events(self._transport, events), self._read(), self._queue.attachment
            )
            await self._transport.close(self._problem)
        except WebSocketDisconnect:
            pass
        except SlowReader as error:
            await self._input.close()
            await self._transport.refuse(error)
        finally:
            let_go(self._queue.attachment)
            await self._input.close()

    @property
    def reading(self) -> bool:
        """Until the session can't go on."""
        return self._problem is None

    @property
    def patient(self) -> bool:
        """Never."""
        return False

    async def handle(self, message: str | bytes) -> None:
        """An event of the client."""
        event = client.read(message)
        self._event_id = event.event_id
        await self._handlers[client.check_kind(event, self._handlers)](event)
        self._event_id = None

    async def fail(self, error: AsrError) -> None:
        """Answer an error; the session goes on unless its time is over."""
        body = render.error(error, self._event_id)
        self._event_id = None
        self._queue.put([self._input.conversation.event("error", error=body)])
        if isinstance(error, TooLong | DeadlineExceeded):
            self._problem = error

    @property
    def _flat(self) -> bool:
        return self._input.conversation.flat

    async def _read(self) -> None:
        await read_messages(self._transport, self)
        await self._input.end()
        self._queue.finish()

    async def _append(self, event: ClientEvent) -> None:
        await self._input.append(client.audio_of(event))
        self._transport.note_sound()

    async def _update(self, event: ClientEvent) -> None:
        fields = client.session_of(event)
        await self._input.update(self._input.settings.updated(fields, self._defaults))
        self._input.conversation.flat = isinstance(fields, FlatSession)
        self._queue_session(event.kind.removesuffix(".update"), "updated")

    def _queue_session(self, kind: str, what: str) -> None:
        view = render.session(self._input.settings, self._id, self._expires_at, flat=self._flat)
        self._queue.put([self._input.conversation.event(f"{kind}.{what}", session=view)])
