"""Access log: one line for each request, two for each WebSocket. Last exception handler."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zhiyin.access.errors import OBSERVER, internal_error, observe_error
from zhiyin.ops.client_address import truncated
from zhiyin.ports.observer import UNOBSERVED, Observer

log = logging.getLogger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNKNOWN = "-"  # an unknown route or method is text of the client, and is not logged
_OPEN, _LOST = 101, 1005  # no close code was given, or there was no time for one
_QUIET = "/health/"  # polled every few seconds


@dataclass(slots=True)
class Exchange:
    """What is logged of a request; `status` 0: no response."""

    begun: float
    status: int = 0
    cache: str | None = None

    def note(self, message: Message) -> None:
        """Read the status of a response message."""
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            self.status = message["status"]
            self.cache = Headers(raw=message["headers"]).get("x-zhiyin-cache")
        elif message["type"] == "websocket.accept":
            self.status = _OPEN
        elif message["type"] == "websocket.close":
            self.status = message.get("code", 1000)


class AccessLog:
    """Logs the matched route, never the client's own text: no query, no names in paths.

    One of the places that catch every exception: it is logged without its message, and answered.
    """

    def __init__(self, app: ASGIApp, observer: Observer = UNOBSERVED) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        exchange = Exchange(time.monotonic())
        scope[OBSERVER] = self._observer

        async def send_noted(message: Message) -> None:
            exchange.note(message)
            if message["type"] == "websocket.accept":
                log.info("connected", extra=_where(scope))
            elif message["type"] == "websocket.close" and message.get("reason"):
                observe_error(scope, message["reason"])  # that of a connection is its error's code
            await send(message)

        async def receive_noted() -> Message:
            message = await receive()
            if message["type"] == "websocket.disconnect" and exchange.status == _OPEN:
                exchange.status = message.get("code") or _LOST
            return message

        try:
            await self._app(scope, receive_noted, send_noted)
        except Exception:
            if scope["type"] != "http" or exchange.status:
                raise  # uvicorn closes the connection, and logs it
            log.exception("a request failed")
            observe_error(scope, "internal_error")
            await internal_error()(scope, receive, send_noted)
        finally:
            _log_exchange(scope, exchange)


def _log_exchange(scope: Scope, exchange: Exchange) -> None:
    fields = _where(scope) | {"took_ms": round((time.monotonic() - exchange.begun) * 1000)}
    if scope["type"] == "websocket":
        log.info("disconnected", extra=fields | {"code": exchange.status})
        return
    level = logging.DEBUG if _route(scope).startswith(_QUIET) else logging.INFO
    method = scope["method"] if scope["method"] in _METHODS else _UNKNOWN
    more = {} if exchange.cache is None else {"cache": exchange.cache}
    log.log(level, "answered", extra=fields | {"method": method, "status": exchange.status} | more)


def _where(scope: Scope) -> dict[str, object]:
    client = scope.get("client")
    return {"route": _route(scope), "client": truncated(client[0]) if client else _UNKNOWN}


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", _UNKNOWN))
