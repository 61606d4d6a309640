"""`python -m bench.accuracy`: error rates and speed of zhiyin beside other recognizers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from bench import options, provenance, report
from bench.apart import Apart
from bench.manifest import Recording, Selection
from bench.measure import Course, Row, run, warm_up
from bench.ours import Zhiyin
from bench.peer import Peer
from bench.peers import PEERS
from bench.sets import results
from bench.setup import Setup

RESULT = provenance.RESULTS / "accuracy.json"


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    peers: Annotated[str, typer.Option(help="Comma list, or `all`.")] = "faster-whisper",
    languages: Annotated[str, typer.Option(help="Comma list, `none` for non-speech.")] = "",
    tags: Annotated[str, typer.Option(help="Comma list; any of them.")] = "",
    min_seconds: Annotated[float | None, typer.Option(help="Shortest recording.")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Longest recording.")] = None,
    limit_per_lang: Annotated[int | None, typer.Option(help="Files of each.", min=1)] = None,
    detect: Annotated[bool, typer.Option("--detect", help="Name no language.")] = False,
    pause: Annotated[float, typer.Option(help="Rest before each call, seconds.", min=0)] = 0.25,
    json: options.Json = RESULT,
) -> None:
    """Run zhiyin and its peers over the same recordings in turn; print and write what came out."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    selection = Selection(
        frozenset(options.listed(languages)),
        frozenset(options.listed(tags)),
        max_seconds,
        limit_per_lang,
        min_seconds,
    )
    recordings = options.selected(manifest, selection)
    names = options.known(peers, PEERS, "--peers")
    setup = Setup(model, device, threads, compute_type)
    everyone = [Zhiyin.name, *names]
    with ExitStack() as stack:
        peers_apart = [stack.enter_context(Apart(name, setup)) for name in everyone]
        rows = _measured(peers_apart, recordings, Course(detect, pause))
    _publish(rows, everyone, given, json)


def _measured(peers: Sequence[Peer], recordings: Sequence[Recording], course: Course) -> list[Row]:
    warm_up(peers, recordings)
    rows = run(peers, recordings, course)
    shown = track(rows, "Transcribing", total=len(recordings), console=Console(stderr=True))
    return list(shown)


def _publish(rows: list[Row], names: list[str], given: dict[str, Any], path: Path) -> None:
    sets = results(rows)
    console = Console()
    for peer in names[1:]:
        console.print(report.table(sets, names[0], peer))
    provenance.write(path, report.summary(sets, given))
    texts = path.parent / "texts" / path.name
    provenance.write(texts, report.texts(rows, names))
    console.print(f"Sums: {path}; text by text: {texts}")


if __name__ == "__main__":
    typer.run(main)
