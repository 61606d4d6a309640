"""Server-sent events, and cancellation of a request when its client disconnects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from zhiyin.access.errors import error_body, observe_error
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


async def first(events: AsyncGenerator[E, None]) -> E:
    """Await the first event: an error before it still gets an HTTP status, and closes `events`."""
    try:
        return await anext(events)
    except BaseException:
        await events.aclose()
        raise


class EventStream(Response, Generic[E]):
    """A response of server-sent events; cancels the run when the client disconnects."""

    media_type = "text/event-stream"

    def __init__(
        self,
        first: E,
        events: AsyncGenerator[E, None],
        to_wire: Callable[[E], Json | None],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._to_wire = to_wire
        self._close = close
        self._over = False
        self._coming: asyncio.Future[E | None] | None = asyncio.get_running_loop().create_future()
        self._coming.set_result(first)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        watch = asyncio.create_task(_disconnect(receive))
        pump = asyncio.create_task(self._pump(scope, send))
        try:
            await asyncio.wait({pump, watch}, return_when=asyncio.FIRST_COMPLETED)
            if pump.done():
                with suppress(OSError):
                    pump.result()
        finally:
            await cancel_all([watch, pump])
            await cancel_all([self._coming] if self._coming else [])
            await self._events.aclose()
            await self._close()

    async def _pump(self, scope: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        while not self._over:
            chunk = await self._chunk(scope)
            if chunk:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunk(self, scope: Scope) -> bytes:
        """The next event, a heartbeat, or the error that ended the run; empty at its end."""
        try:
            if self._coming is None:
                self._coming = asyncio.ensure_future(anext(self._events, None))
            if not (await asyncio.wait({self._coming}, timeout=_SILENCE_S))[0]:
                return _HEARTBEAT  # proxies cut answers that are silent for long
            coming, self._coming = self._coming, None
            event = coming.result()
            self._over = event is None
            body = None if event is None else self._to_wire(event)
        except AsrError as error:
            self._over = True
            observe_error(scope, error.code)
            body = error_body(error)
        except Exception as error:  # the HTTP API: the stream has begun, so the error goes into it
            self._over = True
            observe_error(scope, "internal_error")
            log.error("a stream failed: %s", type(error).__name__, exc_info=error)
            body = error_body(EngineFailed("Something went wrong inside the service."))
        return b"" if body is None else sse(body)
