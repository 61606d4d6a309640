"""`python -m bench.accuracy`: error rates and speed of zhiyin beside other recognizers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from bench import provenance, report
from bench.manifest import Recording, Selection, read_manifest
from bench.measure import Course, Row, run, warm_up
from bench.ours import Zhiyin, model_folder, settings
from bench.peer import Peer, PeerSettings
from bench.peers import PEERS, load_peers
from bench.sets import results

RESULT = provenance.RESULTS / "accuracy.json"
MANIFEST = Path("../shared/speech/manifest.tsv")


def main(
    *,
    manifest: Annotated[Path, typer.Option(help="List of recordings.")] = MANIFEST,
    model: Annotated[str, typer.Option(help="A model of zhiyin.")] = "whisper-base",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads of each recognizer.", min=1)] = 2,
    compute_type: Annotated[str, typer.Option(help="Number format of the weights.")] = "int8",
    peers: Annotated[str, typer.Option(help="Comma list, or `all`.")] = "faster-whisper",
    languages: Annotated[str, typer.Option(help="Comma list, `none` for non-speech.")] = "",
    tags: Annotated[str, typer.Option(help="Comma list; any of them.")] = "",
    min_seconds: Annotated[float | None, typer.Option(help="Shortest recording.")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Longest recording.")] = None,
    limit_per_lang: Annotated[int | None, typer.Option(help="Files of each.", min=1)] = None,
    detect: Annotated[bool, typer.Option("--detect", help="Name no language.")] = False,
    pause: Annotated[float, typer.Option(help="Rest before each call, seconds.", min=0)] = 0.25,
    json: Annotated[Path, typer.Option(help="Where to write the sums.")] = RESULT,
) -> None:
    """Run zhiyin and its peers over the same recordings in turn; print and write what came out."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    wanted = (_listed(languages), _listed(tags))
    selection = Selection(*wanted, max_seconds, limit_per_lang, min_seconds)
    recordings = _selected(manifest, selection)
    names = list(PEERS) if peers == "all" else sorted(_listed(peers))
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
    provenance.write(path, report.summary(sets, given))
    texts = path.parent / "texts" / path.name
    provenance.write(texts, report.texts(rows, names))
    console.print(f"Sums: {path}; text by text: {texts}")


if __name__ == "__main__":
    typer.run(main)
