"""A throwaway MariaDB on loopback, for tests and benches; Debian's package brings the programs."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_START_S = 60.0
_OPTIONS = ("--no-defaults", "--user=root", "--bind-address=127.0.0.1", "--skip-name-resolve")


def program(name: str) -> str:
    """Where a program of the server lies. Raises RuntimeError with the install line."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        raise RuntimeError(
            f"{name} is missing; run: tools/install-system-packages mariadbd=mariadb-server"
        )
    return found


class MariaDbClient:
    """A client of a server that runs on this machine, whoever has started it."""

    def __init__(self, port: int, socket_path: Path) -> None:
        self.port = port
        self.socket_path = socket_path

    def url(self, database: str) -> str:
        """The address of a database, for the setting `history.url`."""
        return f"mysql+asyncmy://root@127.0.0.1:{self.port}/{database}"

    def database(self, name: str) -> str:
        """The address of a new, empty database, in place of one that has that name."""
        self.sql(f"CREATE OR REPLACE DATABASE {name} CHARACTER SET utf8mb4")
        return self.url(name)

    def sql(self, statement: str) -> str:
        """Run a statement as its own client does; what it printed. Raises RuntimeError."""
        done = self._run(statement)
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
        return done.stdout.decode()

    def _run(self, statement: str) -> subprocess.CompletedProcess[bytes]:
        client = [program("mariadb"), "--no-defaults", f"--socket={self.socket_path}", "--batch"]
        return subprocess.run(
            [*client, "--skip-column-names", "-e", statement], capture_output=True, check=False
        )


class MariaDb(MariaDbClient):
    """A server in a folder of its own; a context manager. It may be stopped and started again."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(_free_port(), folder / "socket")
        self.data = folder / "data"
        self._log = folder / "log"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        subprocess.run(
            [
                program("mariadb-install-db"), "--no-defaults", "--user=root", "--skip-test-db",
                f"--datadir={self.data}", "--auth-root-authentication-method=normal",
            ],
            check=True, capture_output=True,
        )  # fmt: skip

    def start(self) -> None:
        """Return when it answers. Raises RuntimeError with its last words."""
        command = [program("mariadbd"), *_OPTIONS, f"--datadir={self.data}"]
        command += [f"--socket={self.socket_path}", f"--port={self.port}", *self._options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + _START_S
        while self._process.poll() is None and time.monotonic() < end:
            if self._run("SELECT 1").returncode == 0:
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"MariaDB did not start:\n{self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        """At once, as if the machine had lost power; what was committed is there after a start."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def flush(self) -> None:
        """Everything in the files, as after a clean end."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
