"""`zhiyin keys`, `zhiyin migrate` and `zhiyin history` as an operator uses them."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from tools.mariadb import MariaDbClient

from tests.support.command_line import zhiyin
from tests.support.history_databases import HistoryDatabase, entry, ring
from tests.support.run_servers import unique
from zhiyin.store.cipher_aesgcm import AesRing, generate, parse_keys


def fill(history_db: HistoryDatabase, keys: AesRing | None, count: int) -> None:
    async def work() -> None:
        async with history_db.open(keys) as history:
            await history.add([entry(f"客厅 {n}", owner=f"o{n % 2}") for n in range(count)])

    asyncio.run(work())


def operate(
    history_db: HistoryDatabase, *arguments: str, keys: str = "", keys_file: str = ""
) -> subprocess.CompletedProcess[str]:
    """The command on a history, with keys or without."""
    env = {
        "ZHIYIN_HISTORY__URL": history_db.url,
        "ZHIYIN_ENCRYPTION__KEYS": keys,
        "ZHIYIN_ENCRYPTION__KEYS_FILE": keys_file,
    }
    with tempfile.TemporaryDirectory() as folder:  # jobs lie there, none of them
        return zhiyin(*arguments, data_dir=Path(folder), stdin=None, **env)


@pytest.fixture
def sqlite(tmp_path: Path) -> HistoryDatabase:
    return HistoryDatabase(
        f"sqlite+aiosqlite:///{tmp_path}/history.db", file=tmp_path / "history.db"
    )


def test_keys_are_made_and_kept_in_a_file(tmp_path: Path, sqlite: HistoryDatabase) -> None:
    printed = zhiyin("keys", "generate", "--name", "k1").stdout
    assert list(parse_keys(printed)) == ["k1"]
    file = tmp_path / "keys"
    for name in ("k1", "k2"):
        done = zhiyin("keys", "generate", "--name", name, "--file", str(file))
        assert done.returncode == 0, done.stderr
        assert name in done.stdout
    assert list(parse_keys(file.read_text())) == ["k2", "k1"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = zhiyin("keys", "generate", "--name", "k1", "--file", str(file))
    assert again.returncode == 2
    shown = operate(sqlite, "keys", "list", keys_file=str(file))
    assert "k2" in shown.stdout
    assert not any(line.split(":")[1] in shown.stdout for line in file.read_text().split())


def test_a_key_is_rotated_away(sqlite: HistoryDatabase) -> None:
    old, new = generate("k1"), generate("k2")
    fill(sqlite, AesRing(parse_keys(old)), 130)
    assert "k1" in operate(sqlite, "keys", "list").stdout
    done = operate(sqlite, "keys", "rotate", keys=f"{new},{old}")
    assert done.returncode == 0, done.stderr
    assert "130 transcripts are encrypted anew" in done.stdout
    exported = operate(sqlite, "history", "export", keys=new)
    assert exported.returncode == 0, exported.stderr
    assert len(exported.stdout.splitlines()) == 130
    lost = operate(sqlite, "history", "export", keys=old)
    assert lost.returncode == 5
    assert "'k2'" in lost.stderr
    assert "Traceback" not in lost.stderr


def test_rotating_without_or_with_the_wrong_key_is_explained(sqlite: HistoryDatabase) -> None:
    fill(sqlite, ring("k1"), 3)
    none = operate(sqlite, "keys", "rotate")
    assert none.returncode == 2
    assert "zhiyin keys generate" in none.stderr
    wrong = operate(sqlite, "keys", "rotate", keys=generate("k1"))
    assert wrong.returncode == 1
    assert "3 transcripts or parts of jobs could not be opened" in wrong.stderr


def test_going_back_to_no_encryption(sqlite: HistoryDatabase) -> None:
    key = generate()
    fill(sqlite, AesRing(parse_keys(key)), 5)
    assert operate(sqlite, "history", "export").returncode == 5
    assert "no longer" in operate(sqlite, "keys", "rotate", "--plain", keys=key).stdout
    assert len(operate(sqlite, "history", "export").stdout.splitlines()) == 5


def test_moving_between_the_databases(
    sqlite: HistoryDatabase, mariadb: MariaDbClient, tmp_path: Path
) -> None:
    server = HistoryDatabase(mariadb.database(unique("moved")))
    first, second = generate("k1"), generate("k2")
    fill(sqlite, AesRing(parse_keys(first)), 450)
    out, back = tmp_path / "out.jsonl", tmp_path / "back.jsonl"
    assert operate(sqlite, "history", "export", str(out), keys=first).returncode == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    early = operate(server, "history", "import", str(out), keys=second)
    assert early.returncode == 1
    assert "zhiyin migrate" in early.stderr
    migrated = operate(server, "migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert "The history's tables have revision 0003." in migrated.stdout
    assert "The tables of jobs have revision 0001." in migrated.stdout
    done = operate(server, "history", "import", str(out), keys=second)
    assert "450 transcripts imported, 0 were there" in done.stderr
    again = operate(server, "history", "import", str(out), keys=second)
    assert "0 transcripts imported, 450 were there" in again.stderr
    assert operate(server, "history", "export", str(back), keys=second).returncode == 0
    assert back.read_bytes() == out.read_bytes()


@pytest.mark.parametrize("line", ["no json", "{}", '{"id": 1}', "[]", "\ufeff"])
def test_a_bad_line_is_named(sqlite: HistoryDatabase, tmp_path: Path, line: str) -> None:
    fill(sqlite, None, 2)
    lines = operate(sqlite, "history", "export").stdout
    file = tmp_path / "in.jsonl"
    file.write_text(f"{lines}{line}\n")
    done = operate(sqlite, "history", "import", str(file))
    assert done.returncode == 2
    assert "Line 3" in done.stderr


def test_secrets_are_not_shown(sqlite: HistoryDatabase) -> None:
    key = generate("k1")
    shown = operate(sqlite, "config", "show", keys=key).stdout
    assert key.split(":")[1] not in shown
    assert sqlite.url not in shown
    bad = operate(sqlite, "keys", "list", keys=key[:-9])
    assert bad.returncode == 2
    assert key[3:-9] not in bad.stderr


def test_exported_lines_are_json(sqlite: HistoryDatabase) -> None:
    fill(sqlite, None, 1)
    body = json.loads(operate(sqlite, "history", "export").stdout)
    assert body["transcript"]["segments"][0]["text"] == "客厅 0"
    assert body["caller"]["owner"] == "o0"
