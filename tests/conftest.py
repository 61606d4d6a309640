"""Servers that many tests talk to: databases and brokers once a run, zhiyin once a process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tools.mariadb import MariaDbClient

from tests.support import media
from tests.support.history_databases import HistoryDatabase
from tests.support.log_leaks import leaks
from tests.support.run_servers import KAFKA, MARIADB, RunServers, ask, unique
from tests.support.server import STARTED, Server, running

# How long an example takes says nothing on a machine that others use too.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

_OWNER = pytest.StashKey[RunServers]()
_ADDRESS = "zhiyin_run_servers"


def pytest_configure(config: pytest.Config) -> None:
    """The process that was started by hand owns the servers of the run."""
    if not hasattr(config, "workerinput"):
        config.stash[_OWNER] = RunServers()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of xdist where to ask for them."""
    node.workerinput[_ADDRESS] = node.config.stash[_OWNER].address


# A minute or more each. Those that wait and those that reckon take turns.
_FIRST = (
    "test_jobs_chaos", "test_silence", "test_live_page", "test_together", "test_captions_page",
    "test_page", "test_cli", "test_jobs_faults", "test_history",
)  # fmt: skip
_LAST = ("unit", "docs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first and quick ones last, so that no process of xdist is alone at the end."""

    def turn(item: pytest.Item) -> tuple[int, str]:
        name, folder = item.path.stem, item.path.parent.name
        if name in _FIRST:
            return _FIRST.index(name), folder  # there is a test_history in two folders
        return len(_FIRST) + (folder in _LAST), ""

    items.sort(key=turn)  # stable: the tests of a file stay together, and in their order


def pytest_unconfigure(config: pytest.Config) -> None:
    """Also after an interruption."""
    if _OWNER in config.stash:
        config.stash[_OWNER].close()


@pytest.fixture(scope="session")
def run_server(pytestconfig: pytest.Config) -> Callable[[str], Any]:
    """From a kind of server to how the one of this run is reached."""
    if _OWNER in pytestconfig.stash:
        return pytestconfig.stash[_OWNER].get
    return partial(ask, pytestconfig.workerinput[_ADDRESS])  # type: ignore[attr-defined]


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
def kafka(run_server: Callable[[str], Any]) -> str:
    """The address of this run's broker that speaks Kafka."""
    return str(run_server(KAFKA))


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
def mariadb(run_server: Callable[[str], Any]) -> MariaDbClient:
    """This run's MariaDB; `make test` installs it. It is stopped by nobody."""
    found = run_server(MARIADB)
    assert isinstance(found, MariaDbClient)
    return found


@pytest.fixture(params=["sqlite", "mariadb"])
async def history_db(request: pytest.FixtureRequest, tmp_path: Path) -> HistoryDatabase:
    """An empty, migrated database of each kind."""
    if request.param == "sqlite":
        file = tmp_path / "history.db"
        return HistoryDatabase(f"sqlite+aiosqlite:///{file}", file=file)
    server: MariaDbClient = request.getfixturevalue("mariadb")
    name = unique("history")
    server.sql(f"CREATE DATABASE {name}")
    made = HistoryDatabase(server.url(name))
    async with made.open() as history:
        await history.migrate()
    return made
