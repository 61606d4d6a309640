"""`python -m bench.memory`: a server's memory over many requests, and peaks beside a peer."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer
from rich.console import Console

from bench import options, provenance
from bench.clients import closed_loop, error_rates, statuses
from bench.joined import TEN_MINUTES_S, joined
from bench.long import transcribe_all
from bench.manifest import Recording, Selection
from bench.ours import Zhiyin
from bench.peers import FasterWhisper
from bench.resident import peak_mb, rss_mb
from bench.servers import server
from bench.setup import Setup, in_own_process
from zhiyin.scoring import score

RESULT = provenance.RESULTS / "memory.json"
PIECE_S = 28.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident memory of the server after so many answers."""

    answers: int
    rss_mb: float


@dataclass(frozen=True, slots=True)
class OverRequests:
    """A server's memory from before the first request on; `growth_percent` as the function."""

    requests: int
    start_mb: float
    peak_mb: float
    growth_percent: float | None
    samples: tuple[Sample, ...]
    statuses: Mapping[str, int]
    error_percent: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Peak:
    """The most a recognizer's process had held after a recording; the shortest comes first."""

    recognizer: str
    file: str
    seconds: float
    peak_mb: float
    error_percent: float | None


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    requests: Annotated[int, typer.Option(help="How many.", min=1)] = 2000,
    clients: Annotated[int, typer.Option(help="At the same time.", min=1)] = 8,
    every: Annotated[int, typer.Option(help="Requests between two looks.", min=1)] = 50,
    window: Annotated[int, typer.Option(help="Requests at each end.", min=1)] = 200,
    max_seconds: Annotated[float, typer.Option(help="Longest short recording.")] = 10.0,
    joined_seconds: Annotated[float, typer.Option(help="Of the long one.")] = TEN_MINUTES_S,
    seed: options.Seed = 1,
    json: options.Json = RESULT,
) -> None:
    """Send short recordings of all formats and languages, noise too; look at the memory."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    recordings = options.selected(manifest, Selection())
    short = [r for r in recordings if r.seconds <= max_seconds]
    random.Random(seed).shuffle(short)
    setup = Setup(model, device, threads, compute_type)
    over = _over_requests(setup, list(islice(cycle(short), requests)), clients, (every, window))
    with tempfile.TemporaryDirectory(prefix="zhiyin-bench-") as folder:
        files = _three(recordings, joined(recordings, "en", Path(folder), joined_seconds))
        peaks = [p for name in _COMPARED for p in _peaks(name, setup, files)]
    Console(stderr=True).print(over, peaks)
    content = {"over_requests": asdict(over), "peaks": [asdict(peak) for peak in peaks]}
    provenance.write(json, provenance.head(given) | content)


_COMPARED = (Zhiyin.name, FasterWhisper.name)


def growth_percent(samples: Sequence[Sample], window: int) -> float | None:
    """Mean of the last `window` answers over the value after the first `window`, less 100 %.

    None when there were fewer answers than two windows.
    """
    last = samples[-1].answers if samples else 0
    early = [s.rss_mb for s in samples if s.answers >= window]
    late = [s.rss_mb for s in samples if s.answers > last - window]
    return 100 * (fmean(late) / early[0] - 1) if last >= 2 * window else None


def _over_requests(
    setup: Setup, recordings: Sequence[Recording], clients: int, looks: tuple[int, int]
) -> OverRequests:
    every, window = looks
    samples: list[Sample] = []
    with server(Zhiyin.name, setup) as one:

        def look(answers: int) -> None:
            if answers % every == 0:
                samples.append(Sample(answers, rss_mb(one.pid)))

        start_mb = rss_mb(one.pid)
        answers = asyncio.run(closed_loop(one.url, recordings, clients, look))
        return OverRequests(
            requests=len(answers),
            start_mb=start_mb,
            peak_mb=peak_mb(one.pid),
            growth_percent=growth_percent(samples, window),
            samples=tuple(samples),
            statuses=statuses(answers),
            error_percent=error_rates(answers),
        )


def _three(recordings: Sequence[Recording], long: Recording) -> list[Recording]:
    """A short recording, the one nearest to a piece's length, and a long one."""
    spoken = [r for r in recordings if r.lang in {"en", "zh"}]
    near = (min(spoken, key=lambda r: abs(r.seconds - s)) for s in (3.0, PIECE_S))
    return [*near, long]


def _peaks(name: str, setup: Setup, recordings: list[Recording]) -> list[Peak]:
    results = in_own_process(transcribe_all, name, setup, recordings)
    return [
        Peak(name, r.file, r.seconds, h.peak_mb, score(r.reference, h.text, r.lang).percent)
        for r, h in zip(recordings, results, strict=True)
    ]


if __name__ == "__main__":
    typer.run(main)
