"""uvicorn's WebSocket protocol with bounds: on pongs that nobody reads, and on fragments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

_PONG = b"\x8a"  # the first byte of its frame
_STATE = "pings"


@dataclass(slots=True)
class Pings:
    """The time of the client's last ping, by the event loop's clock; 0 before the first."""

    last_at: float = 0.0


class BoundedProtocol(WebSocketsSansIOProtocol):
    """What a client sends takes no more memory than its bytes, whatever frames it comes in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pings = Pings()
        self._late_pong = b""
        self._continued = bytearray()

    def handle_connect(self, event: Request) -> None:
        """The handshake; the application finds the pings in the scope."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["state"][_STATE] = self._pings

    def handle_ping(self) -> None:
        """Write the pong, unless earlier ones wait: then only the last is owed (RFC 6455, 5.5.3).

        One write holds the answers to all that was received at once.
        """
        self._pings.last_at = self.loop.time()
        output = self.conn.data_to_send()
        if self.writable.is_set() or not output or not output[-1].startswith(_PONG):
            self.transport.write(b"".join(output))
        else:
            self._late_pong = output[-1]

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._late_pong and not self.close_sent:
            self.transport.write(self._late_pong)
        self._late_pong = b""

    def handle_cont(self, event: Frame) -> None:
        """A fragment; uvicorn would keep an object for each, were they empty or without end."""
        self._continued += event.data
        if event.fin:
            self.frames.append(bytes(self._continued))
            self._continued.clear()
            self.send_receive_event_to_app()


def pings_of(connection: HTTPConnection) -> Pings:
    """Those of a connection; none are known under another server's protocol."""
    pings: Pings = connection.scope.get("state", {}).get(_STATE) or Pings()
    return pings


def uvicorn_options(max_bytes: int) -> dict[str, Any]:
    """What uvicorn is configured with; a longer message than any protocol takes closes."""
    return {
        "ws": BoundedProtocol,
        "ws_max_size": max_bytes,
        # Sound hardly gets smaller, but a message of a thousand times its bytes does harm.
        "ws_per_message_deflate": False,
        # A pong waits behind the audio of a client that sends faster than it is processed.
        "ws_ping_timeout": None,
    }
