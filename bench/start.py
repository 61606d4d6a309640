"""`python -m bench.start`: how soon a server is ready, and what importing the package costs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Annotated

import typer
from rich.console import Console

from bench import options, provenance
from bench.servers import SERVERS, server
from bench.setup import Setup

RESULT = provenance.RESULTS / "start.json"
_IMPORT = "import time; t = time.perf_counter(); import zhiyin; print(time.perf_counter() - t)"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of so many starts."""

    count: int
    median_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class Started:
    """One server, asked every 0.1 s: for zhiyin ready means that it has recognized something.

    `folder` is whether the data folder was there: in a new one the weights are verified.
    """

    name: str
    folder: str
    ready: Times


def main(
    *,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    times: Annotated[int, typer.Option(help="Starts of each.", min=1)] = 10,
    json: options.Json = RESULT,
) -> None:
    """Start each server again and again."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    setup = Setup(model, device, threads, compute_type)
    found: list[Started] = []
    with tempfile.TemporaryDirectory(prefix="zhiyin-bench-") as kept:
        _ready_s("zhiyin", setup, kept)  # it makes the folder, and all files have been read
        for name in SERVERS:
            ready = [_ready_s(name, setup, kept) for _ in range(times)]
            found.append(Started(name, "kept", _times(ready)))
    found.append(Started("zhiyin", "new", _times([_new_s(setup) for _ in range(times)])))
    Console(stderr=True).print(found)
    content = {"servers": [asdict(one) for one in found], "imports": asdict(_imports(times))}
    provenance.write(json, provenance.head(given) | content)


def _ready_s(name: str, setup: Setup, folder: str) -> float:
    begun = time.perf_counter()
    with server(name, setup, {"ZHIYIN_DATA_DIR": folder}):
        return time.perf_counter() - begun


def _new_s(setup: Setup) -> float:
    with tempfile.TemporaryDirectory(prefix="zhiyin-bench-") as folder:
        return _ready_s("zhiyin", setup, folder)


def _imports(times: int) -> Times:
    command = [sys.executable, "-c", _IMPORT]
    return _times([float(subprocess.check_output(command, text=True)) for _ in range(times)])


def _times(seconds: list[float]) -> Times:
    return Times(len(seconds), median(seconds), max(seconds))


if __name__ == "__main__":
    typer.run(main)
