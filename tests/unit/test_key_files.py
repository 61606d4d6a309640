"""Files of keys and exports: whole or as before, and for their owner only."""

from __future__ import annotations

import logging
import os
import resource
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from zhiyin.cli.keys import make
from zhiyin.cli.private_file import replacing
from zhiyin.config import Settings
from zhiyin.config.history import EncryptionSettings
from zhiyin.domain.errors import AsrError, ConfigError
from zhiyin.store.cipher_aesgcm import generate, parse_keys
from zhiyin.wiring.history import key_ring


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow any more."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_full_disk_leaves_the_keys_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    make("k1", file)
    before = file.read_text()
    with full_disk(), pytest.raises(AsrError, match="as it was"):
        make("k2", file)
    assert file.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["keys"], "nothing is left beside it"


def test_what_is_broken_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    file.write_text("what was there")
    with pytest.raises(KeyboardInterrupt):
        _break_off(file)
    assert file.read_text() == "what was there"
    assert [p.name for p in tmp_path.iterdir()] == ["export.jsonl"]


def _break_off(file: Path) -> None:
    with replacing(file) as out:
        out.write("half of it")
        out.flush()
        raise KeyboardInterrupt


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(generate("k1") + "\n")
    file.chmod(0o644)
    make("k2", file)
    assert mode(file) == 0o600
    assert list(parse_keys(file.read_text())) == ["k2", "k1"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real/keys", tmp_path / "keys"
    link.symlink_to(real)
    for name in ("k1", "k2"):
        make(name, link)
    assert link.is_symlink()
    assert list(parse_keys(real.read_text())) == ["k2", "k1"]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    seen: list[str] = []
    reading = threading.Thread(target=lambda: seen.append(pipe.read_text()))
    reading.start()
    with replacing(pipe) as out:
        out.write("lines")
    reading.join()
    assert seen == ["lines"]


def test_of_keys_that_are_made_at_once_none_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    names = {f"k{number}" for number in range(12)}
    threads = [threading.Thread(target=make, args=(name, file)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(parse_keys(file.read_text())) == names


def test_what_is_no_file_of_keys_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "photo"
    file.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ConfigError):
        make("k1", file)
    assert file.read_bytes() == b"\xff\xd8\xff"


@pytest.mark.parametrize(("given", "warned"), [(0o600, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, given: int, warned: bool
) -> None:
    file = tmp_path / "keys"
    file.write_text(generate("k1"))
    file.chmod(given)
    settings = Settings(
        data_dir=tmp_path,
        encryption=EncryptionSettings(keys=SecretStr(""), keys_file=str(file)),
    )
    with caplog.at_level(logging.WARNING):
        assert key_ring(settings).names == ("k1",)
    assert ("others" in caplog.text) is warned
    assert file.read_text().split(":")[1] not in caplog.text
