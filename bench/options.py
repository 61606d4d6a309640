"""Command-line options that several benches have, and how they are read."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from bench.manifest import Recording, Selection, read_manifest
from bench.sets import DIGITS

MANIFEST = Path("../shared/speech/manifest.tsv")

ManifestPath = Annotated[Path, typer.Option(help="List of recordings.")]
Model = Annotated[str, typer.Option(help="A model of zhiyin.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Threads = Annotated[int, typer.Option(help="CPU threads of each recognizer.", min=1)]
ComputeType = Annotated[str, typer.Option(help="Number format of the weights.")]
Languages = Annotated[str, typer.Option(help="Comma list.")]
Servers = Annotated[str, typer.Option(help="Comma list of zhiyin, plain.")]
Json = Annotated[Path, typer.Option(help="Where to write the figures.")]
Seed = Annotated[int, typer.Option(help="Of the order of the recordings.")]


def listed(text: str) -> list[str]:
    """The parts of a comma list, in order."""
    return [part.strip() for part in text.split(",") if part.strip()]


def known(text: str, names: Collection[str], option: str) -> list[str]:
    """The parts of a comma list (`all`: every name). Raises BadParameter for an unknown one."""
    chosen = list(names) if text == "all" else listed(text)
    if unknown := sorted(set(chosen) - set(names)):
        raise typer.BadParameter(
            f"unknown: {', '.join(unknown)}; there are: {', '.join(names)}", param_hint=option
        )
    return chosen


def selected(manifest: Path, selection: Selection) -> list[Recording]:
    """The recordings of a manifest that fit. Raises BadParameter when none does."""
    try:
        recordings = selection.apply(read_manifest(manifest))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error), param_hint="--manifest") from error
    if not recordings:
        raise typer.BadParameter("no scored recording is left after the selection")
    return recordings


def sentences(manifest: Path, selection: Selection) -> list[Recording]:
    """The same without digits, which are all right or all wrong after the normalizer."""
    return [r for r in selected(manifest, selection) if DIGITS not in r.tags]
