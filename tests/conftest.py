"""A real server with the real model, started once for all tests that talk to one."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tools.mariadb import MariaDb

from tests.support import media
from tests.support.history_databases import HistoryDatabase
from tests.support.kafka import Broker, running_broker
from tests.support.log_leaks import leaks
from tests.support.server import STARTED, Server, running

# How long an example takes says nothing on a machine that others use too.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


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
def kafka_broker() -> Iterator[Broker]:
    """A broker that speaks Kafka, on loopback."""
    with running_broker() as started:
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
async def history_db(request: pytest.FixtureRequest, tmp_path: Path) -> HistoryDatabase:
    """An empty, migrated database of each kind."""
    if request.param == "sqlite":
        file = tmp_path / "history.db"
        return HistoryDatabase(f"sqlite+aiosqlite:///{file}", file=file)
    server: MariaDb = request.getfixturevalue("mariadb")
    name = f"t{uuid.uuid4().hex[:12]}"
    server.sql(f"CREATE DATABASE {name}")
    made = HistoryDatabase(server.url(name), server=server)
    async with made.open() as history:
        await history.migrate()
    return made
