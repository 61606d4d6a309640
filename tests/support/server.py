"""`zhiyin serve` as a process on loopback."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import environment

START_S = 60.0
STARTED: list[Server] = []
"""Every server of this run; what they logged is searched at its end."""


class Server:
    """`zhiyin serve` as a subprocess on a free port (0) or a given one."""

    def __init__(self, data_dir: Path, env: dict[str, str], port: str = "0") -> None:
        command = [sys.executable, "-m", "zhiyin", "serve", "--port", port]
        STARTED.append(self)
        self.process = subprocess.Popen(
            [*command, "--data-dir", str(data_dir)],
            env=environment(**{"ZHIYIN_LOG__LEVEL": "debug"} | env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tempfile.gettempdir(),
        )
        self.logs: list[str] = []
        assert self.process.stdout is not None
        self.greeting = "".join(self.process.stdout.readline() for _ in range(4))
        found = re.search(r"http://\S+?:\d+", self.greeting)
        self._drain = threading.Thread(target=self._read_logs, daemon=True)
        self._drain.start()
        if found is None:
            self.stop()
            raise AssertionError(f"no address: {self.greeting!r} {self.logs}")
        self.url = found.group()

    def _read_logs(self) -> None:
        assert self.process.stderr is not None
        self.logs.extend(self.process.stderr)

    def wait_ready(self) -> None:
        """Return when /health/ready says 200."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5):
                    return
            except (urllib.error.HTTPError, OSError):
                time.sleep(0.1)
        raise AssertionError(f"not ready after {START_S} s: {self.logs}")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._drain.join(5)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        return code


@contextmanager
def running(data_dir: Path, at_port: str = "0", **env: str) -> Iterator[Server]:
    """A ready server with these environment variables."""
    server = Server(data_dir, env, at_port)
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()
