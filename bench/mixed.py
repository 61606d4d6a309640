"""`python -m bench.mixed`: short recordings while a ten-minute one is being recognized."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import options, provenance
from bench.clients import Answer, client, closed_loop, error_rates, send, statuses
from bench.joined import TEN_MINUTES_S, joined
from bench.latency import Latency, latency
from bench.manifest import Recording, Selection
from bench.servers import SERVERS, server
from bench.setup import Setup

RESULT = provenance.RESULTS / "mixed.json"
SHORT_S = (2.5, 3.5)
_WARM_UP = 3
_HEAD_START_S = 2.0  # for the upload and the first decoding of the long recording


@dataclass(frozen=True, slots=True)
class Phase:
    """The short recordings of one phase, one after another. `error_percent` per language."""

    latency: Latency | None
    statuses: Mapping[str, int]
    error_percent: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class MixedResult:
    """One server: alone with the short recordings, then with the long one beside them.

    The long recording took `long_wall_s`, and `long_error_percent` of its units are wrong.
    """

    server: str
    idle: Phase
    busy: Phase
    long_s: float
    long_wall_s: float
    long_status: int
    long_error_percent: Mapping[str, float | None]


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    servers: options.Servers = "zhiyin,plain",
    language: Annotated[str, typer.Option(help="Of all recordings.")] = "en",
    requests: Annotated[int, typer.Option(help="Short recordings while idle.", min=1)] = 20,
    joined_seconds: Annotated[float, typer.Option(help="Of the long one.")] = TEN_MINUTES_S,
    json: options.Json = RESULT,
) -> None:
    """Latency of three-second recordings, first alone, then beside a ten-minute recording."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    everything = options.sentences(manifest, Selection(frozenset({language})))
    low, high = SHORT_S
    short = [r for r in everything if low <= r.seconds <= high]
    setup = Setup(model, device, threads, compute_type)
    results: list[MixedResult] = []
    with tempfile.TemporaryDirectory(prefix="zhiyin-bench-") as folder:
        long = joined(everything, language, Path(folder), joined_seconds)
        for name in options.known(servers, SERVERS, "--servers"):
            with server(name, setup) as one:
                result = asyncio.run(_measured(name, one.url, short, requests, long))
            Console(stderr=True).print(result)
            results.append(result)
    content = {"recordings": len(short), "results": [asdict(r) for r in results]}
    provenance.write(json, provenance.head(given) | content)


async def _measured(
    name: str, url: str, short: Sequence[Recording], requests: int, long: Recording
) -> MixedResult:
    await closed_loop(url, short[:_WARM_UP], 1)
    idle = await closed_loop(url, islice(cycle(short), requests), 1)
    busy, answer = await _beside(url, short, long)
    return MixedResult(
        server=name,
        idle=_phase(idle),
        busy=_phase(busy),
        long_s=long.seconds,
        long_wall_s=answer.latency_s,
        long_status=answer.status,
        long_error_percent=error_rates([answer]),
    )


async def _beside(
    url: str, short: Sequence[Recording], long: Recording
) -> tuple[list[Answer], Answer]:
    """The short ones that began while the long one was running, and the long one."""
    async with client(2) as http:
        running = asyncio.create_task(send(http, url, long))
        await asyncio.sleep(_HEAD_START_S)
        busy: list[Answer] = []
        for recording in cycle(short):
            if running.done():
                break
            busy.append(await send(http, url, recording))
        return busy, await running


def _phase(answers: Sequence[Answer]) -> Phase:
    return Phase(
        latency=latency(a.latency_s for a in answers if a.ok),
        statuses=statuses(answers),
        error_percent=error_rates(answers),
    )


if __name__ == "__main__":
    typer.run(main)
