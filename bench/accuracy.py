"""`python -m bench.accuracy`: error rates and speed of zhiyin beside other recognizers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from bench import report
from bench.manifest import Recording, Selection, read_manifest
from bench.measure import Course, Row, run, warm_up
from bench.ours import Zhiyin, model_folder, settings
from bench.peers import PEERS, Peer, PeerSettings, load_peers
from bench.sets import results

MANIFEST = Path("../shared/speech/manifest.tsv")
RESULTS = Path("bench/results/accuracy.json")


def main(
    *,
    manifest: Annotated[Path, typer.Option(help="List of recordings.")] = MANIFEST,
    model: Annotated[str, typer.Option(help="A model of zhiyin.")] = "whisper-base",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads of each recognizer.", min=1)] = 2,
    compute_type: Annotated[str, typer.Option(help="Number format of the weights.")] = "int8",
    peers: Annotated[str, typer.Option(help="Comma list.")] = "faster-whisper",
    languages: Annotated[str, typer.Option(help="Comma list, `none` for non-speech.")] = "",
    tags: Annotated[str, typer.Option(help="Comma list; any of them.")] = "",
    max_seconds: Annotated[float | None, typer.Option(help="Longest recording.")] = None,
    limit_per_lang: Annotated[int | None, typer.Option(help="Files of each.", min=1)] = None,
    detect: Annotated[bool, typer.Option("--detect", help="Name no language.")] = False,
    pause: Annotated[float, typer.Option(help="Rest before each call, seconds.", min=0)] = 0.25,
    json: Annotated[Path, typer.Option(help="Where to write everything.")] = RESULTS,
) -> None:
    """Run zhiyin and its peers over the same recordings in turn; print and write what came out."""
    given: dict[str, Any] = {
        name: str(value) if isinstance(value, Path) else value for name, value in locals().items()
    }
    given["load_average_before"] = report.load_average()
    selection = Selection(_listed(languages), _listed(tags), max_seconds, limit_per_lang)
    recordings = _selected(manifest, selection)
    names = sorted(_listed(peers))
    _check(names)
    chosen = settings(model, device, threads, compute_type)
    others = load_peers(names, PeerSettings(model_folder(chosen), device, threads, compute_type))
    with Zhiyin(chosen) as ours:
        rows = _measured([ours, *others], recordings, Course(detect, pause))
    _publish(rows, [ours.name, *names], given, json)


def _listed(text: str) -> frozenset[str]:
    return frozenset(filter(None, (part.strip() for part in text.split(","))))


def _selected(manifest: Path, selection: Selection) -> list[Recording]:
    try:
        recordings = selection.apply(read_manifest(manifest))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error), param_hint="--manifest") from error
    if not recordings:
        raise typer.BadParameter("no scored recording is left after the selection")
    return recordings


def _check(names: Iterable[str]) -> None:
    unknown = sorted(set(names) - set(PEERS))
    if unknown:
        raise typer.BadParameter(
            f"unknown: {', '.join(unknown)}; there are: {', '.join(PEERS)}", param_hint="--peers"
        )


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
    report.write(path, report.document(rows, sets, names, given))
    console.print(f"Everything, text by text: {path}")


if __name__ == "__main__":
    typer.run(main)
