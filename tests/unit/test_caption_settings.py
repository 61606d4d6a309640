"""Where caption rooms are kept is a matter of settings alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from zhiyin.cli.configure import as_toml
from zhiyin.config import Settings, load
from zhiyin.domain.errors import ConfigError, MissingExtra
from zhiyin.wiring import build

SECRET = "pass/word@1"


def settings(url: str) -> Settings:
    return load(captions={"url": url})


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("url", ["", "redis", "http://h", "mysql://h", "file:///etc/passwd"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"captions\.url"):
        settings(url)


def test_a_wrong_address_is_not_quoted() -> None:
    with pytest.raises(ConfigError) as error:
        build(settings(f"redis://:{SECRET}:port@host/0"))
    assert "word" not in error.value.message


def test_a_password_is_not_shown() -> None:
    shown = as_toml(settings(f"redis://user:{SECRET}@host:6379/2"))
    assert 'url = "redis://***@host:6379/2"' in shown
    assert SECRET not in shown


def test_a_missing_driver_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    monkeypatch.delitem(sys.modules, "zhiyin.store.captions_redis", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'zhiyin\[redis\]'"):
        build(settings("redis://127.0.0.1/0"))
