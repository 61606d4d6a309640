"""Middleware: how large the body of a request may be, and how slowly it may come."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zhiyin.access.context import AccessLimits
from zhiyin.access.errors import error_response, observe_error
from zhiyin.domain.errors import AsrError, InvalidRequest, SlowSender, TooLarge

SMALL_BYTES = 64 << 10


class BodyLimit:
    """Limits bodies: of `uploads` (paths) to the largest upload, of all others to 64 KiB.

    Small bodies are read here as a whole, so that nothing parses one that is refused. Those of
    uploads are counted while the route reads them, and the route raises.
    """

    def __init__(self, app: ASGIApp, limits: AccessLimits, uploads: Container[str]) -> None:
        self._app = app
        self._limits = limits
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_upload = scope["method"] == "POST" and scope["path"].rstrip("/") in self._uploads
        most = self._limits.max_upload_bytes if is_upload else SMALL_BYTES
        try:
            _check_declared(Headers(scope=scope), most)
            body = _Body(receive, self._limits, most)
            arriving = body.receive if is_upload else await _read_whole(body, receive)
        except AsrError as error:
            observe_error(scope, error.code)
            await error_response(error)(scope, receive, send)
            return
        if arriving is not None:
            await self._app(scope, arriving, send)


def _check_declared(headers: Headers, most: int) -> None:
    declared = headers.get("content-length", "0")
    if not (declared.isascii() and declared.isdigit()):
        raise InvalidRequest("The Content-Length header is not a number.")
    # A number of thousands of digits is not parsed: that takes long, and fails.
    if len(declared) > 20 or int(declared) > most:
        raise _too_large(most)


def _too_large(most: int) -> TooLarge:
    if most == SMALL_BYTES:
        limit = f"{most >> 10} KiB"
        return TooLarge(f"The body is larger than {limit}.", code="body_too_large")
    limit = f"{most / (1 << 20):g} MiB"
    return TooLarge(f"The upload is larger than the limit of {limit}.", param="file")


@dataclass(slots=True)
class _Body:
    """Receives a body; raises TooLarge over `most` bytes, and SlowSender."""

    source: Receive
    limits: AccessLimits
    most: int
    begun: float | None = None
    count: int = 0
    complete: bool = False

    async def receive(self) -> Message:
        """ASGI's `receive`; after the body it waits for the disconnection without a limit."""
        if self.complete:
            return await self.source()
        try:
            async with asyncio.timeout_at(self._deadline()):
                message = await self.source()
        except TimeoutError as error:
            self.complete = True
            raise SlowSender(
                "The body of the request came too slowly, or stopped before its end. Send it again."
            ) from error
        self.complete = not message.get("more_body", False)
        self.count += len(message.get("body", b""))
        if self.count > self.most:
            self.complete = True
            raise _too_large(self.most)
        return message

    def _deadline(self) -> float:
        """When the next bytes are due: soon, and not long after the least rate has them."""
        now = asyncio.get_running_loop().time()
        if self.begun is None:
            self.begun = now
        idle_s = self.limits.body_idle_s
        return min(now, self.begun + self.count / self.limits.body_bytes_s) + idle_s


async def _read_whole(body: _Body, receive: Receive) -> Receive | None:
    """A `receive` that begins with the whole body; None when the client has gone meanwhile."""
    data = bytearray()
    while not body.complete:
        message = await body.receive()
        if message["type"] == "http.disconnect":
            return None
        data += message.get("body", b"")
    whole: Message | None = {"type": "http.request", "body": bytes(data), "more_body": False}

    async def replayed() -> Message:
        nonlocal whole
        if whole is None:
            return await receive()
        message, whole = whole, None
        return message

    return replayed
