"""`zhiyin bench` runs what a checkout has, and says so where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from zhiyin.cli import bench
from zhiyin.domain.errors import InvalidRequest


def test_a_bench_runs_with_its_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert {"stream", "live", "accuracy", "long"} <= set(bench.names())
    assert bench.run("stream", ["--help"]) == 0


def test_an_unknown_bench_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    with pytest.raises(InvalidRequest, match=r"'nothing'.*stream"):
        bench.run("nothing", [])


def test_outside_of_a_checkout_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidRequest, match="checkout"):
        bench.run("stream", [])
