"""A local receiver of webhooks and sender of files, on a thread."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Message:
    """What arrived."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Of the event."""
        return self.headers["webhook-id"]

    @property
    def content(self) -> dict[str, Any]:
        """The JSON."""
        content: dict[str, Any] = json.loads(self.body)
        return content


@dataclass
class Receiver:
    """`messages` that came to /hook; `failures` are answered with 500 first; files by path."""

    url: str
    messages: list[Message] = field(default_factory=list)
    failures: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def by_job(self) -> dict[str, list[Message]]:
        """Messages of each job."""
        found: dict[str, list[Message]] = defaultdict(list)
        for message in self.messages:
            found[message.content["data"]["id"]].append(message)
        return found

    def wait(self, count: int, timeout_s: float = 60.0) -> None:
        """Until so many have come."""
        end = time.monotonic() + timeout_s
        while len(self.messages) < count:
            assert time.monotonic() < end, f"{len(self.messages)} of {count} messages came"
            time.sleep(0.05)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A running receiver on loopback."""
    state = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if state.failures > 0:
                state.failures -= 1
                self.send_response(500)
            else:
                state.messages.append(Message(headers, body))
                self.send_response(204)
            self.end_headers()

        def do_GET(self) -> None:
            state.asked.append(self.path)
            if self.path in state.redirects:
                self.send_response(302)
                self.send_header("Location", state.redirects[self.path])
                self.end_headers()
                return
            content = state.files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
