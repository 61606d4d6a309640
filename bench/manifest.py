"""The list of recordings with their reference texts."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

NON_SPEECH = "none"
_SCORED_GRADES = frozenset({"A", "B"})


@dataclass(frozen=True, slots=True)
class Recording:
    """One line of the manifest. `seconds` of audio, `rate` in Hz, `bytes` on disk.

    `path` is the recording, `source_path` where it lies in the repository `repo`.
    `lang` is a language code, `zh-en` (both in one recording), `none` (no speech) or `und`.
    Grade A and B references come from the corpus or repository itself; U has none.
    """

    path: Path
    file: str
    lang: str
    seconds: float
    rate: int
    channels: int
    codec: str
    grade: str
    reference: str
    reference_source: str
    repo: str
    source_path: str
    licence: str
    tags: frozenset[str]
    bytes: int
    sha256: str

    @property
    def non_speech(self) -> bool:
        """Whether there is no speech, so that any text is invented."""
        return self.lang == NON_SPEECH

    @property
    def scored(self) -> bool:
        """Whether there is a reference to score a result against."""
        if self.grade not in _SCORED_GRADES:
            return False
        return self.non_speech or bool(self.reference)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which recordings to run; empty sets and None mean no limit.

    `tags`: any of them; `min_seconds` and `max_seconds`: the shortest and the longest recording;
    `limit_per_lang`: that many of each language, spread evenly over the manifest.
    """

    languages: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    max_seconds: float | None = None
    limit_per_lang: int | None = None
    min_seconds: float | None = None

    def apply(self, recordings: Iterable[Recording]) -> list[Recording]:
        """The scored recordings that fit, in the order given."""
        kept = [r for r in recordings if r.scored and self._fits(r)]
        return kept if self.limit_per_lang is None else _spread(kept, self.limit_per_lang)

    def _fits(self, recording: Recording) -> bool:
        return (
            (not self.languages or recording.lang in self.languages)
            and (not self.tags or bool(self.tags & recording.tags))
            and (self.min_seconds is None or recording.seconds >= self.min_seconds)
            and (self.max_seconds is None or recording.seconds <= self.max_seconds)
        )


def read_manifest(path: Path) -> list[Recording]:
    """All lines of a manifest; `file` is relative to the manifest's folder.

    Raises OSError, or ValueError naming the file when a column is missing or not a number.
    """
    with path.open(encoding="utf-8", newline="") as text:
        rows = csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
        try:
            return [_recording(row, path.parent) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a manifest that can be read: {error!r}") from error


def _recording(row: dict[str, str], folder: Path) -> Recording:
    return Recording(
        path=folder / row["file"],
        file=row["file"],
        lang=row["lang"],
        seconds=float(row["seconds"]),
        rate=int(row["rate"]),
        channels=int(row["channels"]),
        codec=row["codec"],
        grade=row["grade"],
        reference=row["reference"].strip(),
        reference_source=row["reference_source"],
        repo=row["repo"],
        source_path=row["path"],
        licence=row["licence"],
        tags=frozenset(filter(None, row["tags"].split(","))),
        bytes=int(row["bytes"]),
        sha256=row["sha256"],
    )


def _spread(recordings: Sequence[Recording], limit: int) -> list[Recording]:
    groups: dict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        groups[recording.lang].append(recording)
    chosen: set[str] = set()
    for group in groups.values():
        count = min(limit, len(group))
        # Neighbours in a manifest are alike (one corpus, one speaker), so the first N would not do.
        chosen.update(group[i * len(group) // count].file for i in range(count))
    return [r for r in recordings if r.file in chosen]
