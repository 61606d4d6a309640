"""`python -m bench.live`: live servers side by side, their clients speaking in real time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import options, provenance
from bench.dialects import DIALECTS, LiveResult, speak
from bench.latency import Latency, latency
from bench.live_servers import live_server
from bench.manifest import Recording, Selection
from bench.setup import Setup
from bench.sound import samples_of
from zhiyin.scoring import score, total

RESULT = provenance.RESULTS / "live.json"


@dataclass(frozen=True, slots=True)
class Level:
    """A server with so many clients speaking at once.

    `final` is from the end of the sound to the last change of the text, `first` from the start of
    the sound to the first text. A talk without text counts as missed, in `silent` too.
    """

    server: str
    lang: str
    clients: int
    talks: int
    silent: int
    failed: int
    first: Latency | None
    final: Latency | None
    client_lag_s: float
    error_percent: float | None


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    servers: Annotated[str, typer.Option(help="Comma list, or `all`.")] = "all",
    peer_python: Annotated[Path, typer.Option(help="python of the peers' environment.")] = Path(
        "python"
    ),
    language: Annotated[str, typer.Option(help="Of the recordings.")] = "en",
    clients: Annotated[str, typer.Option(help="Comma list of how many.")] = "1,3,6",
    talks: Annotated[int, typer.Option(help="Recordings per client.", min=1)] = 4,
    min_seconds: Annotated[float, typer.Option(help="Shortest recording.")] = 4.0,
    max_seconds: Annotated[float, typer.Option(help="Longest recording.")] = 14.0,
    seed: options.Seed = 1,
    json: options.Json = RESULT,
) -> None:
    """Speak to live servers: the time to the final text, and how many can be served."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    names = options.known(servers, list(DIALECTS), "--servers")
    chosen = options.sentences(
        manifest, Selection(frozenset({language}), min_seconds=min_seconds, max_seconds=max_seconds)
    )
    random.Random(seed).shuffle(chosen)
    counts = [int(part) for part in options.listed(clients)]
    setup = Setup(model, device, threads, compute_type)
    console = Console(stderr=True)
    found: list[Level] = []
    for name in names:
        with live_server(name, setup, language, peer_python.absolute()) as base:
            for level in _levels(name, base, chosen, language, counts, talks, seed):
                console.print(level)
                found.append(level)
    content = {"levels": [asdict(level) for level in found]}
    provenance.write(json, provenance.head(given) | content)


def _levels(
    name: str, base: str, chosen: Sequence[Recording], language: str, counts: Sequence[int],
    talks: int, seed: int,
) -> Iterator[Level]:  # fmt: skip
    asyncio.run(_together(name, base, chosen[-1:], language, 1, seed))  # warms the server up
    for count in counts:
        jobs = list(islice(cycle(chosen), count * talks))
        results = asyncio.run(_together(name, base, jobs, language, count, seed))
        edits = [score(r.reference, h.text, r.lang) for r, h in zip(jobs, results, strict=True)]
        yield Level(
            server=name,
            lang=language,
            clients=count,
            talks=len(results),
            silent=sum(not h.text for h in results),
            failed=sum(h.failed for h in results),
            first=latency(h.first_s for h in results if h.first_s is not None),
            final=latency(h.final_s for h in results if h.final_s is not None),
            client_lag_s=max(h.lag_s for h in results),
            error_percent=total(edits).percent,
        )


async def _together(
    name: str, base: str, jobs: Sequence[Recording], language: str, clients: int, seed: int
) -> list[LiveResult]:
    """So many clients at once share the recordings; each begins at a random moment."""
    waiting = iter(enumerate(jobs))
    results = [LiveResult()] * len(jobs)
    chance = random.Random(seed)

    async def client(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        for i, recording in waiting:
            results[i] = await speak(DIALECTS[name](), base, samples_of(recording), language)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client(chance.random()))
    return results


if __name__ == "__main__":
    typer.run(main)
