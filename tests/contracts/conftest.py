"""The same promises over every database."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from zhiyin.store.jobs_sql.database import jobs_database
from zhiyin.store.sql.database import Database

_NUMBERS = itertools.count()


@pytest.fixture(params=["sqlite", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'jobs.sqlite3'}"
    server = request.getfixturevalue("mariadb")
    return str(server.database(f"contract_{next(_NUMBERS)}"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Connections to it."""
    made = jobs_database(database_url)
    yield made
    await made.close()
