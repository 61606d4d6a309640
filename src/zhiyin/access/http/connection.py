"""HTTP connections with limits: uvicorn's httptools protocol bounds neither heads nor silence."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from zhiyin.access.errors import error_shape

_MAX_LINES = 128
_MAX_PIPELINED = 256
_OVERHEAD = 4  # colon, space and line end of a header
_UNREADABLE = (HTTPStatus.BAD_REQUEST, "This is not valid HTTP/1.1.", "invalid_request")
_HEAD = (
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "The address and headers of the request are too large.",
    "headers_too_large",
)
_FULL = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The server has too many connections. Try again later.",
    "unavailable",
)
_ASCII = bytes(range(128))
_Refusal = tuple[HTTPStatus, str, str]


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """At most `most` connections; a head has `head_bytes`, and is complete `head_s` after its turn.

    Its turn comes with the connection, and again when the answer before is complete.
    """

    most: int = 4096
    head_s: float = 30.0
    head_bytes: int = 64 << 10


class _Refused(Exception):
    """Raised inside a callback of the parser, which then fails."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. What a client sends in vain is counted: all but bodies and whole heads."""

    limits = ConnectionLimits()
    waiting: ClassVar[dict[LimitedProtocol, None]] = {}  # the one that waits longest comes first

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._timer: asyncio.TimerHandle | None = None
        self._vain_bytes = 0
        self._head_bytes = 0
        self._head_lines = 0
        self._has_head = False
        self._refusal: _Refusal = _UNREADABLE

    # The transport's callbacks

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's; one too many takes the place of the one that asks for nothing longest."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.most:
            if not self.waiting:
                self._refuse(_FULL)
                return
            next(iter(self.waiting)).close_waiting()
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's."""
        self._end_wait()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's; ends a head, trailer or chunk extension that goes on and on."""
        self._vain_bytes += len(data)
        super().data_received(data)
        if self._vain_bytes > self.limits.head_bytes and not self.transport.is_closing():
            self._refuse(_HEAD)

    def handle_websocket_upgrade(self) -> None:
        """As uvicorn's; another protocol goes on with the connection, if it takes the handshake.

        One that it can't parse, such as with a body, it would leave open for ever.
        """
        self._end_wait()
        self.url = quote(self.url, safe=_ASCII).encode()
        super().handle_websocket_upgrade()
        upgraded = self.transport.get_protocol()
        if not getattr(upgraded, "handshake_initiated", True) and not self.transport.is_closing():
            self._refuse(_UNREADABLE)

    # The parser's callbacks

    def on_message_begin(self) -> None:
        """As uvicorn's."""
        self._head_bytes = self._head_lines = 0
        self._has_head = False
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """As uvicorn's."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """As uvicorn's; trailers are dropped: they would become headers of the request."""
        self._head_lines += 1
        self._count(len(name) + len(value) + _OVERHEAD)
        if not self._has_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """As uvicorn's, with a limit of requests that wait for the answer of the first."""
        self._vain_bytes = 0
        self._has_head = True
        super().on_headers_complete()
        if len(self.pipeline) > _MAX_PIPELINED:
            raise _Refused

    def on_body(self, body: bytes) -> None:
        """As uvicorn's."""
        self._vain_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """As uvicorn's."""
        self._vain_bytes = 0
        super().on_message_complete()

    # Requests and answers

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._end_wait()
        if cycle.scope["http_version"] == "1.0":
            app = _without_chunks(cycle, app)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """As uvicorn's; the next head has its turn."""
        self._await_head()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn when the parser fails."""
        self._refuse(self._refusal)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.limits.head_bytes or self._head_lines > _MAX_LINES:
            self._refusal = _HEAD
            raise _Refused

    def _await_head(self) -> None:
        self._end_wait()
        self._timer = self.loop.call_later(self.limits.head_s, self.close_waiting)
        self.waiting[self] = None

    def _end_wait(self) -> None:
        self.waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close_waiting(self) -> None:
        """Close while a head is awaited."""
        self._end_wait()
        self.transport.close()

    def _refuse(self, refusal: _Refusal) -> None:
        """Answer in the API's error shape, unless an answer is under way, and close."""
        under_way = self.cycle is not None and not self.cycle.response_complete
        if not self.pipeline and not (under_way and self.cycle.response_started):
            self.transport.write(_answer(refusal))
        self.transport.close()


def limited(limits: ConnectionLimits) -> type[LimitedProtocol]:
    """The protocol with these limits, as uvicorn takes it."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": limits, "waiting": {}})


def _answer(refusal: _Refusal) -> bytes:
    status, message, code = refusal
    content = json.dumps(error_shape(status, message, None, code)).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\nx-content-type-options: nosniff\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + content


def _without_chunks(cycle: RequestResponseCycle, app: ASGIApp) -> ASGIApp:
    """HTTP/1.0 knows no chunks: a body of unknown length ends with the connection."""

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        has_length = True

        async def send_plain(message: Message) -> None:
            nonlocal has_length
            if message["type"] == "http.response.start":
                has_length = any(
                    name.lower() == b"content-length" for name, _ in message["headers"]
                )
                if not has_length:
                    cycle.chunked_encoding = False
            elif not has_length:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_plain)

    return plain
