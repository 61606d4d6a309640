"""Middleware: request ids, security headers, and a limit on the size of bodies."""

from __future__ import annotations

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from zhiyin.access.errors import error_response, observe_error
from zhiyin.domain.errors import AsrError, InvalidRequest, TooLarge

_RESPONSES = ("http.response.start", "websocket.accept", "websocket.http.response.start")
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class RequestId:
    """Gives every request and WebSocket an id: the client's `X-Request-ID` when it is valid.

    It is in the response's header and in each line of the log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        wanted = Headers(scope=scope).get("x-request-id", "")
        request_id = wanted if _ID.fullmatch(wanted) else f"req_{uuid.uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id
        # Each request is a task with its own context: the binding needs no reset.
        bind_contextvars(request_id=request_id)

        async def send_with_headers(message: Message) -> None:
            if message["type"] in _RESPONSES:
                message.setdefault("headers", [])
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Rejects bodies over `max_bytes`: at once when declared, else while they are read."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        refused: AsrError | None = None
        if not declared.isdigit():
            refused = InvalidRequest("The Content-Length header is not a number.")
        elif int(declared) > self._max:
            refused = self._too_large()
        if refused is not None:
            observe_error(scope, refused.code)
            await error_response(refused)(scope, receive, send)
        else:
            await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > self._max:
                    raise self._too_large()
            return message

        return counted

    def _too_large(self) -> TooLarge:
        limit = self._max / (1 << 20)
        return TooLarge(f"The upload is larger than the limit of {limit:g} MiB.", param="file")
