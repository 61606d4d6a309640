"""The result of the accuracy bench as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from bench import provenance
from bench.measure import Row
from bench.sets import SetResult, Sum, worst


def table(sets: Sequence[SetResult], ours: str, theirs: str) -> Table:
    """`ours` beside one peer, a line for each set. Differences are ours minus theirs."""
    made = Table(title=f"{ours} against {theirs}")
    made.add_column("set")
    columns = ("files", "audio s", f"{ours} %", f"{theirs} %", "diff")
    timing = (f"{ours} s", "RTF", f"{theirs} s", "RTF", "speed-up")
    for column in (*columns, *timing):
        made.add_column(column, justify="right")
    for entry in sets:
        made.add_row(*_cells(entry, entry.sums[ours], entry.sums[theirs]))
    return made


def _cells(entry: SetResult, ours: Sum, theirs: Sum) -> list[str]:
    return [
        f"{entry.name} ({entry.metric})" if entry.metric else entry.name,
        str(entry.files),
        f"{entry.seconds:.0f}",
        _error(entry, ours),
        _error(entry, theirs),
        _difference(entry, ours, theirs),
        f"{ours.wall_s:.1f}",
        _number(ours.rtf, 3),
        f"{theirs.wall_s:.1f}",
        _number(theirs.rtf, 3),
        f"{theirs.wall_s / ours.wall_s:.2f}x" if ours.wall_s else "-",
    ]


def _error(entry: SetResult, one: Sum) -> str:
    failed = f" ({one.failed} failed)" if one.failed else ""
    if entry.metric is None:
        return f"{one.invented_files} files, {one.invented_characters} chars{failed}"
    return _number(one.percent, 1) + failed


def _difference(entry: SetResult, ours: Sum, theirs: Sum) -> str:
    if entry.metric is None:
        return f"{ours.invented_characters - theirs.invented_characters:+d} chars"
    if ours.percent is None or theirs.percent is None:
        return "-"
    return f"{ours.percent - theirs.percent:+.1f}"


def _number(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def summary(sets: Sequence[SetResult], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What may be published of a run, for JSON: sums without a text or a reference."""
    return provenance.head(settings) | {"sets": [asdict(s) for s in sets]}


def texts(rows: Sequence[Row], names: Sequence[str]) -> dict[str, Any]:
    """Everything recording by recording, for JSON. The first of `names` is ours."""
    return {
        "worst": {n: [asdict(w) for w in worst(rows, names[0], n)] for n in names[1:]},
        "rows": [_row(r) for r in rows],
    }


def _row(row: Row) -> dict[str, Any]:
    recording = row.recording
    return {
        "file": recording.file,
        "lang": recording.lang,
        "seconds": recording.seconds,
        "grade": recording.grade,
        "tags": sorted(recording.tags),
        "reference": recording.reference,
        "outcomes": {
            name: asdict(outcome) | {"errors": outcome.edits.total}
            for name, outcome in row.outcomes.items()
        },
    }
