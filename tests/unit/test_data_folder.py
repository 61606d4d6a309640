"""What is stored is for its owner's eyes only, folders included."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from zhiyin.config import Settings
from zhiyin.wiring.data_folder import data_folder
from zhiyin.wiring.engines import providers
from zhiyin.wiring.history import make_history
from zhiyin.wiring.jobs import _blobs, make_database


async def sound() -> AsyncIterator[bytes]:
    yield b"sound"


async def history(settings: Settings) -> None:
    made = make_history(settings)
    await made.prepare()
    await made.close()


async def jobs(settings: Settings) -> None:
    database = make_database(settings)
    async with database.transaction():
        pass
    await database.close()


async def blobs(settings: Settings) -> None:
    await _blobs(settings).write("job_1.audio", sound(), 100)


async def engines(settings: Settings) -> None:
    providers(settings)


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
@pytest.mark.parametrize("first", [history, jobs, blobs, engines])
async def test_whatever_makes_the_folder_makes_it_private(
    tmp_path: Path, first: Callable[[Settings], Awaitable[None]]
) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    for make in (first, history, jobs, blobs):
        await make(settings)
    found = [settings.data_dir, *everything(settings.data_dir)]
    assert len(found) >= 6
    assert {path.name for path in found if stat.S_IMODE(path.stat().st_mode) & 0o077} == set()


def everything(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    assert data_folder(Settings(data_dir=tmp_path)) == tmp_path
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_one_that_can_not_be_made_is_somebody_elses_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    data_folder(Settings(data_dir=tmp_path / "file" / "folder"))
