"""`python -m bench.viewers`: one caption room on one process, and how late its viewers are."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer
from rich.console import Console

from bench import options, provenance
from bench.audience import FanOut, fan_out
from bench.joined import joined
from bench.manifest import Selection
from bench.resident import rss_mb
from bench.servers import Server, server
from bench.setup import Setup
from zhiyin.audio.decode import AvDecoder
from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits, Samples
from zhiyin.domain.source import AudioSource

RESULT = provenance.RESULTS / "viewers.json"


@dataclass(frozen=True, slots=True)
class Level:
    """So many viewers; processor time is the server's, recognition included."""

    seen: FanOut
    cpu_s_per_audio_s: float
    rss_mb: float


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    language: Annotated[str, typer.Option(help="What is spoken.")] = "en",
    viewers: Annotated[str, typer.Option(help="Comma list of how many.")] = "1,100,500",
    seconds: Annotated[float, typer.Option(help="Speech for each.", min=5, max=3600)] = 90.0,
    compression: Annotated[bool, typer.Option(help="As browsers ask for.")] = True,
    json: options.Json = RESULT,
) -> None:
    """Speak to rooms of zhiyin in real time while many read."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    counts = [int(part) for part in options.listed(viewers)]
    samples = _speech(manifest, language, seconds)
    setup = Setup(model, device, threads, compute_type)
    with server("zhiyin", setup) as started:
        found = list(_measured(started, samples, counts, language, compression=compression))
    content = {"levels": [asdict(level) for level in found]}
    provenance.write(json, provenance.head(given) | content)


def _measured(
    started: Server, samples: Samples, counts: Sequence[int], language: str, *, compression: bool
) -> Iterator[Level]:
    console = Console(stderr=True)
    base = started.url.replace("http:", "ws:").removesuffix("/recognize") + "/ws/subtitle"
    process = psutil.Process(started.pid)
    for count in counts:
        url = f"{base}?room=bench-{count}&language={language}"
        before = process.cpu_times()
        seen = asyncio.run(fan_out(url, samples, count, compression=compression))
        after = process.cpu_times()
        used_s = after.user + after.system - before.user - before.system
        level = Level(seen, used_s / seen.audio_s, rss_mb(started.pid))
        console.print(level)
        yield level


def _speech(manifest: Path, language: str, seconds: float) -> Samples:
    chosen = options.sentences(manifest, Selection(frozenset({language})))
    with tempfile.TemporaryDirectory(prefix="zhiyin-bench-") as folder:
        recording = joined(chosen, language, Path(folder), seconds)
        with recording.path.open("rb") as stream:
            source = AudioSource(stream, recording.path.stat().st_size)
            decoded = AvDecoder().open(source, AudioLimits(2 * seconds + 60))
            samples: Samples = np.concatenate(list(decoded.blocks()))
    return samples[: int(seconds * SAMPLE_RATE)]


if __name__ == "__main__":
    typer.run(main)
