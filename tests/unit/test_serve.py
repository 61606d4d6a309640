"""Settings of the server as limits and names."""

from __future__ import annotations

import resource
import socket

import pytest

from zhiyin.cli.serve import connection_limits, sites
from zhiyin.config import load
from zhiyin.config.server import ServerSettings
from zhiyin.domain.errors import ConfigError


def test_names_and_origins_come_from_the_settings() -> None:
    made = sites(
        ServerSettings(
            host="Bound.lan", names=["ASR.example"], origins=["https://App.example:8443"]
        )
    )
    machine = socket.gethostname().lower()
    assert {"bound.lan", "asr.example", machine} <= made.names
    assert made.origins == {"https://app.example:8443"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"origins": ["app.example"]}, {"origins": ["https://app.example/"]}, {"origins": ["null"]},
        {"origins": ["https://app.example/path"]}, {"names": ["http://asr.example"]},
        {"names": ["asr.example:8000"]}, {"names": [""]}, {"names": ["*.example"]},
    ],
)  # fmt: skip
def test_wrong_names_and_origins_stop_the_start(wrong: dict[str, list[str]]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        load(server=wrong)


def test_a_connection_needs_an_open_file() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        limits = connection_limits(ServerSettings(head_timeout_s=3, max_head_kb=9))
        assert (limits.head_s, limits.head_bytes) == (3, 9 << 10)
        assert limits.most <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
        many = connection_limits(ServerSettings(max_connections=1_000_000))
        assert 10 <= many.most < 1_000_000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
