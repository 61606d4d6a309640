"""`zhiyin calibrate`: choose how a model decodes by measuring it on labelled recordings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from zhiyin.cli import manifest
from zhiyin.cli.models import find
from zhiyin.config import Settings, load
from zhiyin.core.recognition.labelled import read_labelled
from zhiyin.domain.audio import AudioLimits
from zhiyin.domain.calibration import (
    CalibrationOptions,
    LabelledFile,
    LabelledRecording,
    OnProgress,
    Score,
)
from zhiyin.domain.engine import ModelInfo
from zhiyin.domain.errors import AsrError, InvalidRequest, MissingExtra, TooLong, UnsupportedOption
from zhiyin.ports.engine import Calibrates, EngineProvider
from zhiyin.wiring.recognition import make_preparer

_err = Console(stderr=True, highlight=False)


@dataclass(frozen=True, slots=True)
class Request:
    """Options of the command line; no languages: all that the model knows."""

    model: str
    manifest: Path
    languages: frozenset[str]
    max_seconds: float
    limit: int | None
    options: CalibrationOptions


def windows(text: str) -> tuple[tuple[float, float], ...]:
    """From `8+3,12+5` to (floor, tail) pairs in seconds. Raises InvalidRequest."""
    return tuple(_window(item) for item in text.split(",") if item.strip())


def _window(item: str) -> tuple[float, float]:
    floor, _, tail = item.partition("+")
    try:
        found = float(floor), float(tail)
    except ValueError:
        found = (0.0, 0.0)
    if not (1 <= found[0] <= 30 and 0 <= found[1] <= 30):
        raise InvalidRequest(
            f"--windows {item.strip()[:40]}: write seconds as FLOOR+TAIL, such as 12+5; FLOOR is "
            "1 to 30, TAIL 0 to 30."
        )
    return found


def run(request: Request, data_dir: Path | None) -> None:
    """Measure, write the file, and show what was measured."""
    score = _score()
    settings = load(data_dir=data_dir)
    provider, model = find(request.model, settings)
    calibrator = _calibrator(provider, model)
    provider.path(model.id)  # raises now, not after the recordings were read
    files = _selected(request, model)
    with _progress("reading", len(files)) as on_progress:
        recordings = asyncio.run(_read_recordings(settings, request, model, files, on_progress))
    if not recordings:
        raise InvalidRequest("None of the recordings could be used.")
    with _progress("measuring", len(recordings)) as on_progress:
        path = calibrator.calibrate(model.id, recordings, request.options, score, on_progress)
    _show(path)


def _score() -> Score:
    try:
        from zhiyin import scoring
    except ImportError as error:
        raise MissingExtra(
            "Calibrating needs what counts errors: pip install 'zhiyin[calibrate]'"
        ) from error

    def score(reference: str, text: str, language: str) -> tuple[int, int]:
        edits = scoring.score(reference, text, language)
        return edits.total, edits.units

    return score


def _calibrator(provider: EngineProvider, model: ModelInfo) -> Calibrates:
    if not isinstance(provider, Calibrates):
        raise UnsupportedOption(
            f"The model '{model.id}' runs on the engine '{provider.name}', "
            "which has nothing to calibrate."
        )
    return provider


def _selected(request: Request, model: ModelInfo) -> list[LabelledFile]:
    known = model.capabilities.languages
    unknown = request.languages - known
    if unknown:
        raise InvalidRequest(
            f"--languages {','.join(sorted(unknown))}: not a language code that the model "
            f"'{model.id}' knows."
        )
    selection = manifest.Selection(request.languages or known, request.max_seconds, request.limit)
    files = selection.apply(manifest.read(request.manifest))
    if not files:
        raise InvalidRequest(
            f"{request.manifest} has no recording to calibrate with: one with a reference, in a "
            f"language that is asked for, of at most {request.max_seconds:g} s."
        )
    return files


async def _read_recordings(
    settings: Settings,
    request: Request,
    model: ModelInfo,
    files: list[LabelledFile],
    on_progress: OnProgress,
) -> list[LabelledRecording]:
    skipped = 0

    def skip(file: LabelledFile, error: AsrError) -> None:
        nonlocal skipped
        skipped += 1
        reason = f"longer than {longest:g} s." if isinstance(error, TooLong) else error.message
        text = escape(f"{file.path.name}: {reason}")
        _err.print(f"[yellow]skipped:[/yellow] {text}", soft_wrap=True)

    longest = min(request.max_seconds, settings.audio.max_seconds)
    with ThreadPoolExecutor(1, thread_name_prefix="zhiyin-audio") as pool:
        preparer = replace(make_preparer(settings, pool), limits=AudioLimits(longest))
        found = await read_labelled(
            preparer, files, model.capabilities.max_seconds, skip, on_progress
        )
    seconds = sum(recording.seconds for recording in found)
    _err.print(f"{len(found)} recordings with {seconds:.0f} s of speech, {skipped} skipped")
    return found


@contextmanager
def _progress(label: str, total: int) -> Iterator[OnProgress]:
    """A bar on a terminal, nothing elsewhere; drawn seldom, because drawing takes time as well."""
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=_err, transient=True, disable=not _err.is_terminal, refresh_per_second=1
    ) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done, _: bar.update(task, completed=done)


def _show(path: Path) -> None:
    console = Console(highlight=False)
    for language, measured in json.loads(path.read_text(encoding="utf-8"))["measured"].items():
        console.print(_table(language, measured))
    console.print(f"Written to {escape(str(path))}", soft_wrap=True)


def _table(language: str, measured: dict[str, Any]) -> Table:
    reference = measured["reference"]
    title = (
        f"{language}: {measured['recordings']} recordings, {measured['units']} units, "
        f"{measured['audio_s']:.0f} s; reference {reference['error_percent']:.2f} % "
        f"in {reference['engine_s']:.1f} s"
    )
    table = Table(title=title, title_justify="left")
    for name in ("", "window", "padding", "beam", "guard", "error %", "engine s", "again %"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in sorted(measured["candidates"], key=lambda r: float(r["engine_s"])):
        chosen = row == measured["chosen"]
        cells = _cells(row, measured["clips"])
        table.add_row("chosen" if chosen else "", *cells, style="bold" if chosen else None)
    return table


def _cells(row: dict[str, Any], clips: int) -> list[str]:
    full = row["floor"] >= 30
    return [
        "full" if full else f"{row['floor']:g}+{row['tail']:g}",
        "silence" if row["pad_audio"] else "zeros",
        str(row["beam_size"]),
        "" if full else f"{row['doubt_logprob']:g}",
        f"{row['error_percent']:.2f}",
        f"{row['engine_s']:.1f}",
        f"{100 * row['again'] / max(1, clips):.0f}",
    ]
