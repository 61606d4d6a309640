"""Manifest of labelled recordings: file, language and reference text, one a line.

Tab separated without quoting, with a header. `file` (relative to the manifest), `lang` and
`reference` are needed; `seconds`, `grade` and `tags` are honoured where there are any.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zhiyin.domain.calibration import LabelledFile
from zhiyin.domain.errors import InvalidRequest

_NEEDED = ("file", "lang", "reference")
_TRUSTED_GRADES = frozenset({"A", "B"})  # the reference is the corpus' own
_DIGITS = "digits"  # read-out numbers: one wrong digit makes the whole number wrong


@dataclass(frozen=True, slots=True)
class Line:
    """A line. `seconds` is None when the manifest does not say."""

    file: LabelledFile
    seconds: float | None
    usable: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """Which lines to take: at most `limit` of a language, spread evenly over the manifest."""

    languages: frozenset[str]
    max_seconds: float
    limit: int | None = None

    def apply(self, lines: Iterable[Line]) -> list[LabelledFile]:
        """The recordings, language by language. Lines without a reference are left out."""
        groups: dict[str, list[LabelledFile]] = defaultdict(list)
        for line in lines:
            if line.usable and self._fits(line):
                groups[line.file.language].append(line.file)
        return [file for group in groups.values() for file in self._spread(group)]

    def _fits(self, line: Line) -> bool:
        short = line.seconds is None or line.seconds <= self.max_seconds
        return short and line.file.language in self.languages

    def _spread(self, group: Sequence[LabelledFile]) -> list[LabelledFile]:
        # Neighbours are alike (one corpus, one speaker), so the first ones would not do.
        count = min(self.limit or len(group), len(group))
        return [group[i * len(group) // count] for i in range(count)]


def read(path: Path) -> list[Line]:
    """All lines. Raises InvalidRequest with the number of the line that is wrong."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE, restval="")
            missing = [name for name in _NEEDED if name not in (rows.fieldnames or ())]
            if missing:
                raise InvalidRequest(
                    f"{path}, line 1: the header has no column {', '.join(missing)}; "
                    "columns are separated by tabs."
                )
            return [_line(row, path, rows.line_num) for row in rows]
    except OSError as error:
        raise InvalidRequest(f"{path} can't be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(f"{path} is not a tab-separated text in UTF-8: {error}.") from error


def _line(row: dict[str, str], path: Path, number: int) -> Line:
    for name in ("file", "lang"):
        if not row[name].strip():
            raise InvalidRequest(f"{path}, line {number}: {name} is empty.")
    reference = row["reference"].strip()
    trusted = row.get("grade", "A") in _TRUSTED_GRADES
    digits = _DIGITS in row.get("tags", "").split(",")
    file = LabelledFile(path.parent / row["file"], row["lang"].strip(), reference)
    return Line(file, _seconds(row, path, number), bool(reference) and trusted and not digits)


def _seconds(row: dict[str, str], path: Path, number: int) -> float | None:
    value = row.get("seconds", "")
    try:
        return float(value) if value else None
    except ValueError as error:
        raise InvalidRequest(
            f"{path}, line {number}: seconds is '{value[:40]}', not a number."
        ) from error
