"""The same promises over every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tools.mariadb import MariaDbClient

from tests.support.run_servers import unique
from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.sql.database import Database


@pytest.fixture(params=["sqlite", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'jobs.sqlite3'}"
    server: MariaDbClient = request.getfixturevalue("mariadb")
    return server.database(unique("jobs"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Connections to it."""
    made = jobs_database(database_url)
    yield made
    await made.close()
