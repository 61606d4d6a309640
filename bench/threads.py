"""`python -m bench.threads`: how one call of Whisper shares its work among threads.

Times a window of 9 s: encoding, and 20 tokens with beam 5, on one thread and on all, with the
defaults of GNU OpenMP and with those of `zhiyin.engines.whisper.placement`.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from bench.setup import Setup, in_own_process

_TURNS = 10
_SPINNING = {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "100000"}


def main(
    threads: Annotated[int, typer.Option(help="All of them.", min=2)] = 2,
    model: Annotated[str, typer.Option(help="A model of zhiyin.")] = "whisper-base",
    compute_type: Annotated[str, typer.Option(help="Number format.")] = "int8",
) -> None:
    """Print medians in milliseconds."""
    folder = Setup(model, "cpu", threads, compute_type).folder
    table = Table("threads", "OpenMP", "encode ms", "20 tokens ms")
    for count in (1, threads):
        for name, variables in (("default", {}), ("spinning", _SPINNING)):
            encode, decode = in_own_process(measure, folder, compute_type, count, variables)
            table.add_row(str(count), name, f"{encode:.0f}", f"{decode:.0f}")
    Console().print(table)


def measure(
    folder: Path, compute_type: str, threads: int, variables: dict[str, str]
) -> tuple[float, float]:
    """Milliseconds for encoding and for decoding, in a process that has loaded nothing yet."""
    os.environ.update(variables)
    from threadpoolctl import threadpool_limits

    from zhiyin.engines.whisper.backend import Backend

    threadpool_limits(limits=1, user_api="blas")
    backend = Backend(folder, "cpu", compute_type, threads=threads, workers=1)
    features = np.random.default_rng(0).random((1, backend.mels, 900), np.float32)
    times: list[tuple[float, float]] = []
    for _ in range(_TURNS):
        begun = time.perf_counter()
        encoded = backend.encode(features)
        middle = time.perf_counter()
        backend.spell(encoded, 20)
        times.append((middle - begun, time.perf_counter() - middle))
    encode, decode = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
    return encode, decode


if __name__ == "__main__":
    typer.run(main)
