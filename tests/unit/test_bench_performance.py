"""The page of results says what the committed results say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opencc")
pytest.importorskip("rapidfuzz")
pytest.importorskip("whisper_normalizer")

from bench.performance import PAGE, SECTIONS, page
from bench.provenance import RESULTS, head

ROOT = Path(__file__).parents[2]


def test_the_committed_page_is_fresh() -> None:
    assert (ROOT / PAGE).read_text() == page(ROOT / RESULTS), "run: python -m bench.performance"


def test_without_results_it_says_so(tmp_path: Path) -> None:
    assert "No results are committed yet" in page(tmp_path)


def test_no_committed_result_quotes_a_recording() -> None:
    for path in (ROOT / RESULTS).glob("*.json"):
        assert not {"text", "reference"} & _keys(json.loads(path.read_text())), path


def test_a_level_of_load_becomes_a_line(tmp_path: Path) -> None:
    level = {
        "clients": 4,
        "requests": 60,
        "audio_s_per_s": 9.0,
        "latency": {"p50_s": 1.0, "p95_s": 2.0, "p99_s": 3.0},
        "error_percent": {"en": 5.0},
    }
    ours = level | {"server": "zhiyin", "requests_per_s": 3.0, "statuses": {"429": 2}}
    plain = level | {"server": "plain", "requests_per_s": 1.5, "statuses": {}}
    result = head({"load_average_before": 0.1}) | {"levels": [ours, plain]}
    (tmp_path / "load.json").write_text(json.dumps(result))

    made = page(tmp_path)

    line = "| zhiyin | 4 | 60 | 3.00 | 9.0 | 1.00 | 2.00 | 3.00 | 2 x 429 | 5.00 | 2.00 |"
    assert line in made.splitlines()
    assert result["command"] in made


def test_every_section_has_a_file_of_its_own() -> None:
    assert len({section.file for section in SECTIONS}) == len(SECTIONS)


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


def test_what_keeping_adds_is_the_difference_of_medians(tmp_path: Path) -> None:
    times = {"count": 50, "mean_s": 0.5, "p95_s": 0.6, "p99_s": 0.7, "max_s": 0.7}
    place = {"database": "sqlite", "encrypted": True}
    result = head({}) | {
        "reads": [place | {"rows": 10, "question": "list", "latency": times | {"p50_s": 0.002}}],
        "writes": [place | {"kept": times | {"p50_s": 0.503}, "not_kept": times | {"p50_s": 0.5}}],
        "plans": [{"query": "list", "table": "t", "access": "ref", "key": "k", "rows": 5, "x": ""}],
    }
    (tmp_path / "history.json").write_text(json.dumps(result))
    made = page(tmp_path)
    assert "| sqlite | yes | 10 | list | 2.0 | 600.0 |" in made
    assert "| sqlite | yes | 50 | 503.0 | 500.0 | 3.0 |" in made
    assert "| list | t | ref | k | 5 |  |" in made
