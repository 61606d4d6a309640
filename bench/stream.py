"""`python -m bench.stream`: live recognition as its speakers meet it, in real time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from typing import Annotated

import psutil
import typer
from rich.console import Console

from bench import options, provenance
from bench.liveness import Liveness, liveness
from bench.manifest import Recording, Selection
from bench.resident import rss_mb
from bench.servers import Server, server
from bench.setup import Setup
from bench.sound import samples_of
from bench.talking import Manner, Talk, together

RESULT = provenance.RESULTS / "stream.json"


@dataclass(frozen=True, slots=True)
class Level:
    """So many clients speaking at once; `cpu_s_per_audio_s` is the server's processor time."""

    clients: int
    lang: str
    manner: str
    cpu_s_per_audio_s: float
    rss_mb: float
    seen: Liveness


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    languages: options.Languages = "en,zh",
    clients: Annotated[str, typer.Option(help="Comma list of how many.")] = "1,3",
    talks: Annotated[int, typer.Option(help="Recordings per client.", min=1)] = 8,
    frame_ms: Annotated[int, typer.Option(help="Sound per message.", min=10)] = 100,
    min_seconds: Annotated[float, typer.Option(help="Shortest recording.")] = 3.0,
    max_seconds: Annotated[float, typer.Option(help="Longest recording.")] = 20.0,
    seed: options.Seed = 1,
    json: options.Json = RESULT,
) -> None:
    """Speak to zhiyin from several clients: ends by silence, by commit, and cut in mid-word."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    wanted = options.listed(languages)
    chosen = options.sentences(
        manifest,
        Selection(frozenset(wanted), min_seconds=min_seconds, max_seconds=max_seconds),
    )
    random.Random(seed).shuffle(chosen)
    setup = Setup(model, device, threads, compute_type)
    with server("zhiyin", setup) as started:
        found = list(
            _shown(_measured(started, chosen, wanted, clients, talks, frame_ms / 1000, seed))
        )
    content = {"levels": [asdict(level) for level in found]}
    provenance.write(json, provenance.head(given) | content)


def _measured(
    started: Server, chosen: Sequence[Recording], languages: Sequence[str], clients: str,
    talks: int, frame_s: float, seed: int,
) -> Iterator[Level]:  # fmt: skip
    url = started.url.replace("http:", "ws:").removesuffix("/recognize") + "/v1/stream"
    for count in (int(part) for part in options.listed(clients)):
        for lang in languages:
            spoken = [r for r in chosen if r.lang == lang]
            jobs = [(r, samples_of(r)) for r in islice(cycle(spoken), count * talks)]
            for name, manner in _manners(frame_s).items():
                before = _cpu_s(started.pid)
                seen = asyncio.run(together(url, jobs, count, manner, seed))
                yield _level(started, count, lang, name, seen, before)


def _manners(frame_s: float) -> dict[str, Manner]:
    return {
        "silence": Manner(frame_s),
        "commit": Manner(frame_s, commit=True),
        "cut": Manner(frame_s, commit=True, cut_s=2.3),
    }


def _level(
    started: Server, clients: int, lang: str, manner: str, seen: Sequence[Talk], before: float
) -> Level:
    audio_s = sum(t.sent_s for t in seen)
    cpu_s = (_cpu_s(started.pid) - before) / audio_s
    return Level(clients, lang, manner, cpu_s, rss_mb(started.pid), liveness(seen, lang))


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _shown(levels: Iterator[Level]) -> Iterator[Level]:
    console = Console(stderr=True)
    for level in levels:
        console.print(level)
        yield level


if __name__ == "__main__":
    typer.run(main)
