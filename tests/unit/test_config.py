"""Where settings come from, and what is refused."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from zhiyin.cli.configure import as_toml
from zhiyin.config import Settings, load
from zhiyin.domain.errors import ConfigError


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_flag_beats_environment_beats_file_beats_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "zhiyin.toml").write_text("[server]\nport = 1001\nmax_uploads = 7\n")
    assert load().server.port == 1001
    monkeypatch.setenv("ZHIYIN_SERVER__PORT", "1002")
    assert load().server.port == 1002
    settings = load(server={"port": 1003})
    assert (settings.server.port, settings.server.max_uploads) == (1003, 7)
    assert settings.server.host == "127.0.0.1"


def test_data_dir_by_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZHIYIN_DATA_DIR", "here")
    assert load().data_dir == tmp_path / "here"


@pytest.mark.parametrize(
    "text", ["[servr]\nport = 1\n", "[server]\nprot = 1\n", "[server]\nport = 'x'\n", "port ="]
)
def test_a_wrong_file_stops_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "zhiyin.toml").write_text(text)
    with pytest.raises(ConfigError):
        load()


@pytest.mark.parametrize(
    "variable", ["ZHIYIN_SERVR__PORT", "ZHIYIN_SERVER__PROT", "ZHIYIN_NOPE", "ZHIYIN_SERVER__PORT"]
)
def test_a_wrong_variable_stops_the_start(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "not a number")
    with pytest.raises(ConfigError) as error:
        load()
    assert variable.removeprefix("ZHIYIN_").split("__")[-1].lower() in error.value.message.lower()


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIYIN_CONFIG", "/nowhere/zhiyin.toml")
    with pytest.raises(ConfigError, match="missing"):
        load()


def test_what_is_shown_can_be_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIYIN_MODELS__FOLDERS", '{"mine": "/models/mine"}')
    monkeypatch.setenv("ZHIYIN_SERVER__PORT", "9")
    before = load()
    (tmp_path / "zhiyin.toml").write_text(as_toml(before))
    monkeypatch.delenv("ZHIYIN_MODELS__FOLDERS")
    monkeypatch.delenv("ZHIYIN_SERVER__PORT")
    assert load() == before


def test_defaults_are_shown_as_valid_toml() -> None:
    lines = as_toml(None).splitlines()
    values = [re.sub(r"^# (\w+ = )", r"\1", line) for line in lines]
    groups = tomllib.loads("\n".join(values))
    assert set(groups) >= {"server", "models", "engine", "audio", "scheduler", "log"}
    assert groups["server"] == Settings(data_dir=Path("x")).server.model_dump()
