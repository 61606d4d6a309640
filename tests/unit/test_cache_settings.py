"""From `cache.url` to a cache, or to a sentence that says what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from zhiyin.cli.configure import as_toml
from zhiyin.config import load
from zhiyin.domain.errors import ConfigError, MissingExtra
from zhiyin.store.cache_memory import MemoryCache
from zhiyin.store.cache_sealed import SealedCache
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.wiring.recognition import make_cache


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_memory_is_the_default_and_off_is_nothing() -> None:
    assert isinstance(make_cache(load(), PlainRing()), MemoryCache)
    assert make_cache(load(cache={"url": "off"}), PlainRing()) is None


@pytest.mark.parametrize("url", ["", "memory", "off://", "http://x", "mysql://x", "redis:x"])
def test_other_addresses_stop_the_start(url: str) -> None:
    with pytest.raises(ConfigError, match=r"cache\.url"):
        load(cache={"url": url})


async def test_redis_comes_by_its_address() -> None:
    made = make_cache(load(cache={"url": "redis://127.0.0.1:1/0"}), PlainRing())
    assert isinstance(made, SealedCache)
    await made.close()


def test_an_absent_driver_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "zhiyin.store.cache_redis", raising=False)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(MissingExtra, match=r"pip install 'zhiyin\[redis\]'"):
        make_cache(load(cache={"url": "redis://127.0.0.1"}), PlainRing())


def test_a_password_in_an_address_is_not_shown() -> None:
    shown = as_toml(load(cache={"url": "rediss://ann:pass@word@host:6379/1"}))
    assert "s@word" not in shown
    assert 'url = "rediss://***@host:6379/1"' in shown
