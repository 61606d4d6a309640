"""`python -m bench.load`: throughput and latency of servers under several concurrent clients."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from typing import Annotated

import typer
from rich.console import Console

from bench import options, provenance
from bench.clients import Answer, closed_loop, error_rates, statuses
from bench.latency import Latency, latency
from bench.manifest import Recording, Selection
from bench.servers import SERVERS, Server, server
from bench.setup import Setup

RESULT = provenance.RESULTS / "load.json"
_REST_S = 1.0
_WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Level:
    """One server under so many clients; throughput over `wall_s`, from first to last.

    `audio_s_per_s` is the length of the answered recordings. `statuses` other than 200;
    `error_percent` per language.
    """

    server: str
    clients: int
    requests: int
    wall_s: float
    requests_per_s: float
    audio_s_per_s: float
    latency: Latency | None
    statuses: Mapping[str, int]
    error_percent: Mapping[str, float | None]


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    servers: options.Servers = "zhiyin,plain",
    languages: options.Languages = "en,zh",
    clients: Annotated[str, typer.Option(help="Comma list of how many.")] = "1,4,16,64",
    requests: Annotated[
        int | None, typer.Option(help="At each level; else 60, or 4 per client.", min=1)
    ] = None,
    min_seconds: Annotated[float, typer.Option(help="Shortest recording.")] = 1.0,
    max_seconds: Annotated[float, typer.Option(help="Longest recording.")] = 10.0,
    seed: options.Seed = 1,
    json: options.Json = RESULT,
) -> None:
    """Send the same recordings to each server in turn from 1, 4, 16 and 64 clients."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    wanted = frozenset(options.listed(languages))
    recordings = options.sentences(
        manifest, Selection(wanted, min_seconds=min_seconds, max_seconds=max_seconds)
    )
    random.Random(seed).shuffle(recordings)
    setup = Setup(model, device, threads, compute_type)
    with ExitStack() as stack:
        names = options.known(servers, SERVERS, "--servers")
        started = [stack.enter_context(server(name, setup)) for name in names]
        levels = [int(part) for part in options.listed(clients)]
        found = list(_shown(_measured(started, recordings, levels, requests)))
    found.sort(key=lambda level: (level.clients, names.index(level.server)))
    content = {"recordings": len(recordings), "levels": [asdict(level) for level in found]}
    provenance.write(json, provenance.head(given) | content)


def _measured(
    servers: Sequence[Server],
    recordings: Sequence[Recording],
    levels: Sequence[int],
    requests: int | None,
) -> Iterator[Level]:
    """Level by level; who starts changes every time. All servers stay up, idle ones rest."""
    for one in servers:
        asyncio.run(closed_loop(one.url, recordings[:_WARM_UP], 1))
    for index, clients in enumerate(levels):
        sent = list(islice(cycle(recordings), requests or max(60, 4 * clients)))
        first = index % len(servers)
        for one in (*servers[first:], *servers[:first]):
            time.sleep(_REST_S)
            start = time.perf_counter()
            answers = asyncio.run(closed_loop(one.url, sent, clients))
            yield _level(one.name, clients, answers, time.perf_counter() - start)


def _level(name: str, clients: int, answers: Sequence[Answer], wall_s: float) -> Level:
    answered = [a for a in answers if a.ok]
    return Level(
        server=name,
        clients=clients,
        requests=len(answers),
        wall_s=wall_s,
        requests_per_s=len(answered) / wall_s,
        audio_s_per_s=sum(a.recording.seconds for a in answered) / wall_s,
        latency=latency(a.latency_s for a in answered),
        statuses=statuses(answers),
        error_percent=error_rates(answers),
    )


def _shown(levels: Iterator[Level]) -> Iterator[Level]:
    console = Console(stderr=True)
    for level in levels:
        console.print(level)
        yield level


if __name__ == "__main__":
    typer.run(main)
