"""A real server with the real model, started once for all tests that talk to one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tools.mariadb import MariaDb

from tests import backends, media
from tests.backends import environment
from tests.histories import Place
from tests.leaks import leaks

# How long an example takes says nothing on a machine that others use too.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

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


@pytest.fixture(scope="session", autouse=True)
def _no_log_tells_on_anybody() -> Iterator[None]:
    """At the end of the run, after the last server."""
    yield
    found = [leak for started in STARTED for leak in leaks(started.logs)]
    assert not found, f"the logs hold what they must not: {found[:20]}"


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for the whole run: the model is put together once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def server(data_dir: Path) -> Iterator[Server]:
    """The server on its defaults."""
    with running(data_dir) as started:
        yield started


@pytest.fixture(scope="session")
def server_url(server: Server) -> str:
    """Its address."""
    return server.url


@pytest.fixture(scope="session")
def small_server(data_dir: Path) -> Iterator[Server]:
    """A server with small limits."""
    limits = {
        "ZHIYIN_SERVER__MAX_UPLOAD_MB": "1",
        "ZHIYIN_AUDIO__MAX_SECONDS": "15",
        "ZHIYIN_SERVER__MAX_UPLOADS": "3",
        "ZHIYIN_ENGINE__THREADS": "1",
        "ZHIYIN_LOG__FORMAT": "json",
    }
    with running(data_dir, **limits) as started:
        yield started


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[backends.MariaDb]:
    """MariaDB on loopback; `make test` installs it."""
    with backends.mariadb(tmp_path_factory.mktemp("mariadb")) as started:
        yield started


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[backends.Broker]:
    """A broker that speaks Kafka, on loopback."""
    with backends.broker() as started:
        yield started


@pytest.fixture(scope="session")
def audio() -> Callable[[str], Path]:
    """From a name to a recording of tests/audio."""
    return media.path


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser; `make test` installs it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found is not None, "Chromium is missing; run: tools/install-system-packages chromium"
    return found


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    """One MariaDB for the whole run; `make test` installs it."""
    with MariaDb(tmp_path_factory.mktemp("mariadb")) as started:
        yield started


@pytest.fixture(params=["sqlite", "mariadb"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty, migrated database of each kind."""
    if request.param == "sqlite":
        file = tmp_path / "history.db"
        return Place(f"sqlite+aiosqlite:///{file}", file=file)
    server: MariaDb = request.getfixturevalue("mariadb")
    name = f"t{uuid.uuid4().hex[:12]}"
    server.sql(f"CREATE DATABASE {name}")
    made = Place(server.url(name), server=server)
    async with made.open() as history:
        await history.migrate()
    return made
