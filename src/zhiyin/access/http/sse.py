"""Server-sent events, and cancellation of a request when its client disconnects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from zhiyin.access.errors import error_body
from zhiyin.access.http.render import sse
from zhiyin.access.json_types import Json
from zhiyin.core.tasks import cancel_all
from zhiyin.domain.errors import AsrError, EngineFailed

T = TypeVar("T")
E = TypeVar("E")
log = logging.getLogger(__name__)

_SILENCE_S = 15.0
_HEARTBEAT = b": still working\n\n"
_GONE = 499  # nginx's status for a client that closed the connection; only logged


class ClientGone(Exception):
    """The client has closed the connection."""


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """Await `work`; cancel it and raise ClientGone on disconnect. The body must have been read."""
    task = asyncio.ensure_future(work)
    watch = asyncio.create_task(_disconnect(request.receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        await cancel_all([watch, task])


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def disconnected() -> Response:
    """The response that is logged for a client that disconnected."""
    return Response(status_code=_GONE)


async def started(events: AsyncGenerator[E, None]) -> AsyncGenerator[E, None]:
    """The same events, once the first has come: an error before it still gets an HTTP status."""
    try:
        first = await anext(events)
    except BaseException:
        await events.aclose()
        raise
    return _chain(first, events)


async def _chain(first: E, events: AsyncGenerator[E, None]) -> AsyncGenerator[E, None]:
    async with aclosing(events):
        yield first
        async for event in events:
            yield event


async def _with_heartbeats(events: AsyncGenerator[E, None]) -> AsyncIterator[E | None]:
    """The events, and None after each silence: proxies close silent connections."""
    while True:
        coming = asyncio.ensure_future(anext(events, None))
        try:
            while not (await asyncio.wait({coming}, timeout=_SILENCE_S))[0]:
                yield None
        finally:
            await cancel_all([coming])
        event = coming.result()
        if event is None:
            return
        yield event


class EventStream(Response, Generic[E]):
    """A response of server-sent events; cancels the run when the client disconnects."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[E, None],
        to_wire: Callable[[E], Json | None],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._to_wire = to_wire
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        watch = asyncio.create_task(_disconnect(receive))
        pump = asyncio.create_task(self._pump(send))
        try:
            await asyncio.wait({pump, watch}, return_when=asyncio.FIRST_COMPLETED)
            if pump.done():
                with suppress(OSError):
                    pump.result()
        finally:
            await cancel_all([watch, pump])
            await self._events.aclose()
            await self._close()

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for chunk in self._chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            async for event in _with_heartbeats(self._events):
                body = None if event is None else self._to_wire(event)
                if body is not None:
                    yield sse(body)
                elif event is None:
                    yield _HEARTBEAT
        except AsrError as error:
            yield sse(error_body(error))
        except Exception as error:  # the status is sent already: the error is an event
            log.error("a stream failed: %s", type(error).__name__, exc_info=error)
            yield sse(error_body(EngineFailed("Something went wrong inside the service.")))
