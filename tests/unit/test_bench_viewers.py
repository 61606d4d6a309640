"""The figures about viewers are those of what they saw."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

pytest.importorskip("rapidfuzz")

from bench import tables
from bench.audience import Seen, summary


def message(number: int, final: bool) -> str:
    return json.dumps({"type": "caption", "id": number, "final": final})


def test_delays_count_from_the_first_who_had_it() -> None:
    speaker = 2
    seen = Seen(2)
    seen.at = {
        '{"type": "history", "captions": []}': [(0, 0.0), (1, 0.0)],
        message(0, False): [(speaker, 1.0), (0, 1.5)],
        message(0, True): [(speaker, 2.0), (0, 2.25), (1, 2.5)],
        message(1, True): [(0, 3.0), (1, 3.125), (speaker, 3.5)],
        message(2, True): [(speaker, 4.0), (1, 4.0), (1, 4.0)],
        '{"type": "end"}': [(0, 5.0), (1, 5.0)],
    }
    found = summary(seen, 2, 60.0)
    assert (found.captions, found.lost, found.repeated) == (4, 1, 1)
    assert found.partials is not None
    assert (found.partials.count, found.partials.max_s) == (1, 0.5)
    assert found.finals is not None
    assert (found.finals.count, found.finals.p50_s, found.finals.max_s) == (6, 0.0, 0.5)
    assert found.last_viewer is not None
    assert (found.last_viewer.count, found.last_viewer.p95_s) == (3, 0.5)
    level = {"seen": asdict(found), "cpu_s_per_audio_s": 0.5, "rss_mb": 700.4}
    line = "| 2 | 4 | 0.0 | 500.0 | 500.0 | 500.0 | 500.0 | 500.0 | 500.0 | 1 | 1 | 0.50 | 700 |"
    assert line in tables.viewers({"levels": [level]})


def test_nothing_seen_is_no_figure() -> None:
    found = summary(Seen(1), 1, 1.0)
    assert found.finals is None
    level = {"seen": asdict(found), "cpu_s_per_audio_s": 0.0, "rss_mb": 1.0}
    assert "| - |" in tables.viewers({"levels": [level]})
