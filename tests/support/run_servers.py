"""Servers that one test run starts once, into however many processes pytest-xdist splits it.

The process that was started by hand (the controller of xdist, or the only one) owns them. Each is
started when the first test asks for it, and all end with their owner: no worker process that is
done early, fails or is interrupted takes a server from the others. Tests share what is in them by
names of their own (`unique`); a test that stops or configures a server starts one for itself.
"""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from tools.mariadb import MariaDb, MariaDbClient

from tests.support.kafka import running_broker

MARIADB, KAFKA = "mariadb", "kafka"


def unique(prefix: str) -> str:
    """A name that no other test of any run has, for a database or a topic."""
    return f"{prefix}_{uuid.uuid4().hex[:12]}"


def _mariadb(stack: ExitStack, folder: Path) -> MariaDbClient:
    server = stack.enter_context(MariaDb(folder / "mariadb"))
    return MariaDbClient(server.port, server.socket_path)


def _kafka(stack: ExitStack, _: Path) -> str:
    return stack.enter_context(running_broker()).address


_STARTERS: dict[str, Callable[[ExitStack, Path], Any]] = {MARIADB: _mariadb, KAFKA: _kafka}


class RunServers:
    """The owner: starts servers on request, of this process or over its socket."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        # Short, because a path of a Unix socket has at most 108 bytes.
        name = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="zhiyin-run-"))
        self._folder = Path(name)
        self._lock = threading.Lock()
        self._running: dict[str, Any] = {}
        self.address = str(self._folder / "requests")
        self._listener = Listener(self.address, "AF_UNIX")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def get(self, kind: str) -> Any:
        """How to reach that server. Raises what its start raises, each time."""
        with self._lock:
            if kind not in self._running:
                self._running[kind] = _STARTERS[kind](self._stack, self._folder)
            return self._running[kind]

    def close(self) -> None:
        """End the servers and delete what they have stored."""
        with Client(self.address, "AF_UNIX") as connection:
            connection.send(None)
        self._thread.join()
        self._listener.close()
        self._stack.close()

    def _serve(self) -> None:
        while True:
            with self._listener.accept() as connection:
                if not self._answer(connection):
                    return

    def _answer(self, connection: Connection[Any, Any]) -> bool:
        """Whether to go on."""
        kind = connection.recv()
        if kind is None:
            return False
        try:
            connection.send((self.get(kind), ""))
        except (AssertionError, OSError, RuntimeError) as error:
            connection.send((None, str(error) or type(error).__name__))
        return True


def ask(address: str, kind: str) -> Any:
    """How to reach a server that the owner at that address runs. Raises RuntimeError."""
    with Client(address, "AF_UNIX") as connection:
        connection.send(kind)
        found, problem = connection.recv()
    if problem:
        raise RuntimeError(problem)
    return found
