"""The helpers of the load benches: percentiles, growth, the closed loop, converted weights."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("opencc")
pytest.importorskip("rapidfuzz")
pytest.importorskip("whisper_normalizer")

from bench.clients import closed_loop, error_rates, statuses
from bench.convert import _byte_of_letter
from bench.ct2 import read_variables
from bench.joined import GAP_S, joined
from bench.latency import latency, percentile
from bench.manifest import Recording, Selection, read_manifest
from bench.memory import Sample, growth_percent
from bench.resident import peak_mb, rss_mb

OWN = Path(__file__).parents[1] / "audio" / "manifest.tsv"


@pytest.fixture(scope="module")
def english() -> list[Recording]:
    return [r for r in read_manifest(OWN) if r.lang == "en"]


@pytest.mark.parametrize(
    ("percent", "expected"), [(1, 1), (50, 5), (51, 6), (95, 10), (99, 10), (100, 10)]
)
def test_percentile_is_a_measured_value(percent: float, expected: int) -> None:
    assert percentile(range(1, 11), percent) == expected


def test_latency_of_nothing_is_none() -> None:
    assert latency([]) is None


def test_latency_does_not_care_for_order() -> None:
    found = latency([3.0, 1.0, 2.0])
    assert found is not None
    assert (found.count, found.mean_s, found.p50_s, found.max_s) == (3, 2.0, 2.0, 3.0)


def test_growth_compares_the_last_window_with_the_end_of_the_first() -> None:
    rss = [50.0, 100.0, 105.0, 108.0, 112.0]
    samples = [Sample(100 * (i + 1), value) for i, value in enumerate(rss)]
    assert growth_percent(samples, 200) == pytest.approx(10.0)


def test_growth_needs_two_windows() -> None:
    assert growth_percent([Sample(100, 5.0), Sample(300, 6.0)], 200) is None


class _BusyAtFirst(BaseHTTPRequestHandler):
    """Refuses the first request, fails the second, then hears a fixed sentence."""

    protocol_version = "HTTP/1.1"
    seen = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        kind = type(self)
        kind.seen += 1
        status = {1: 429, 2: 500}.get(kind.seen, 200)
        body = b'{"text": "Please turn on the kitchen lights."}'
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing on the terminal."""


@contextmanager
def listening() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _BusyAtFirst)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_the_loop_sends_everything_and_tries_again(english: list[Recording]) -> None:
    short = next(r for r in english if r.file == "en_short.flac")
    counts: list[int] = []
    with listening() as url:
        answers = await closed_loop(url, [short] * 5, 1, counts.append)
    assert counts == [1, 2, 3, 4, 5]
    assert statuses(answers) == {"429": 1, "500": 1}
    assert [a.refused for a in answers] == [1, 0, 0, 0, 0]
    assert error_rates(answers) == {"en": pytest.approx(20.0)}


async def test_a_server_that_is_gone_is_an_answer(english: list[Recording]) -> None:
    with listening() as url:
        pass
    answers = await closed_loop(url, english[:1], 2)
    assert statuses(answers) == {"0": 1}
    assert error_rates(answers) == {"en": 100.0}


def test_joined_recordings_have_the_joined_text(tmp_path: Path, english: list[Recording]) -> None:
    long = joined(english, "en", tmp_path, 15.0)
    parts = [r for r in english if r.reference in long.reference]
    assert long.seconds >= 15.0
    assert long.path.stat().st_size == 44 + 2 * round(long.seconds * 16000)
    assert long.seconds >= sum(r.seconds + GAP_S for r in parts) - 0.1


def test_selection_has_a_shortest() -> None:
    chosen = Selection(min_seconds=5.0).apply(read_manifest(OWN))
    assert chosen
    assert all(r.seconds >= 5.0 for r in chosen)


def test_ctranslate2_variables_are_read(tmp_path: Path) -> None:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    tensor = np.arange(6, dtype=np.float16).reshape(2, 3)
    head = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, 1)
    variable = text("conv/weight") + struct.pack("<BIIBI", 2, 2, 3, 4, 12) + tensor.tobytes()
    (tmp_path / "model.bin").write_bytes(head + variable + struct.pack("<I", 0))

    read = read_variables(tmp_path / "model.bin")

    assert list(read) == ["conv/weight"]
    assert np.array_equal(read["conv/weight"], tensor)


def test_other_formats_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(struct.pack("<I", 99))
    with pytest.raises(ValueError, match="version 99"):
        read_variables(tmp_path / "model.bin")


def test_every_byte_has_a_letter() -> None:
    letters = _byte_of_letter()
    assert sorted(letters.values()) == list(range(256))
    assert letters["Ġ"] == ord(" ")


def test_memory_of_this_process() -> None:
    import os

    now = rss_mb(os.getpid())
    assert 10 < now <= peak_mb() * 1.05
