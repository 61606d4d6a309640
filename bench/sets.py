"""Groups of recordings that are reported together, and their sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.manifest import Recording
from bench.measure import Outcome, Row
from zhiyin.scoring import Metric, metric, total

DIGITS = "digits"
# Commands and sentences; all that fits one Whisper window.
_LENGTHS = ((1.0, 10.0), (0.3, 28.0))
_TAGS = {
    "zh": ("clean", "noisy-snr5", "phone-8k"),
    "en": ("clean", "noisy-snr5", "phone-8k", "command", "short"),
}


@dataclass(frozen=True, slots=True)
class Sum:
    """One recognizer over one set.

    `percent` is the micro-average, `rtf` wall over audio time.
    `invented_files` and `invented_characters` count text for recordings without speech.
    """

    errors: int
    percent: float | None
    wall_s: float
    rtf: float | None
    failed: int
    invented_files: int
    invented_characters: int


@dataclass(frozen=True, slots=True)
class SetResult:
    """A set: `seconds` of audio and `units` of reference in `files`, and each one's sum."""

    name: str
    metric: Metric | None
    files: int
    seconds: float
    units: int
    sums: Mapping[str, Sum]


@dataclass(frozen=True, slots=True)
class Worst:
    """A recording on which the peer made `added` fewer edits."""

    file: str
    added: int
    reference: str
    ours: str
    theirs: str


def results(rows: Sequence[Row]) -> list[SetResult]:
    """Every set that has at least one recording, in the order of the report."""
    spoken = [r for r in rows if not r.recording.non_speech]
    found = [s for lang in _TAGS for s in _main_language(lang, spoken)]
    others = sorted({r.recording.lang for r in spoken} - set(_TAGS))
    found += [_set(lang, lang, spoken, _is(lang)) for lang in others]
    found.append(_set("non-speech", None, rows, lambda r: r.non_speech))
    return [s for s in found if s.files]


def worst(rows: Iterable[Row], ours: str, theirs: str, count: int = 15) -> list[Worst]:
    """The recordings with the most edits above the peer's, worst first."""
    entries = [_compared(row, ours, theirs) for row in rows]
    ranked = sorted(entries, key=lambda w: (-w.added, w.file))
    return [w for w in ranked if w.added > 0][:count]


def _main_language(lang: str, rows: Sequence[Row]) -> list[SetResult]:
    """Digits stand apart: Whisper's normalizer makes one word of them, all right or all wrong."""
    same = [r for r in rows if r.recording.lang == lang]
    counted = [r for r in same if DIGITS not in r.recording.tags]
    sets = [
        _set(f"{lang} all", lang, counted, lambda r: True),
        *(
            _set(f"{lang} {low:g}-{high:g} s", lang, counted, _between(low, high))
            for low, high in _LENGTHS
        ),
        *(_set(f"{lang} {tag}", lang, counted, _tagged(tag)) for tag in _TAGS[lang]),
    ]
    if len(counted) < len(same):
        sets.append(_set(f"{lang} digits", lang, same, _tagged(DIGITS)))
        sets.append(_set(f"{lang} all with digits", lang, same, lambda r: True))
    return sets


def _is(lang: str) -> Callable[[Recording], bool]:
    return lambda recording: recording.lang == lang


def _between(low: float, high: float) -> Callable[[Recording], bool]:
    return lambda recording: low <= recording.seconds <= high


def _tagged(tag: str) -> Callable[[Recording], bool]:
    return lambda recording: tag in recording.tags


def _set(
    name: str, lang: str | None, rows: Iterable[Row], belongs: Callable[[Recording], bool]
) -> SetResult:
    chosen = [r for r in rows if belongs(r.recording)]
    seconds = sum(r.recording.seconds for r in chosen)
    names = list(chosen[0].outcomes) if chosen else []
    sums = {n: _sum([r.outcomes[n] for r in chosen], seconds) for n in sorted(names)}
    units = total(r.outcomes[names[0]].edits for r in chosen).units if chosen else 0
    return SetResult(name, metric(lang) if lang else None, len(chosen), seconds, units, sums)


def _sum(outcomes: Sequence[Outcome], seconds: float) -> Sum:
    edits = total(o.edits for o in outcomes)
    wall_s = sum(o.wall_s for o in outcomes)
    return Sum(
        errors=edits.total,
        percent=edits.percent,
        wall_s=wall_s,
        rtf=wall_s / seconds if seconds else None,
        failed=sum(bool(o.error) for o in outcomes),
        invented_files=sum(o.invented > 0 for o in outcomes),
        invented_characters=sum(o.invented for o in outcomes),
    )


def _compared(row: Row, ours: str, theirs: str) -> Worst:
    mine, other = row.outcomes[ours], row.outcomes[theirs]
    added = mine.edits.total + mine.invented - other.edits.total - other.invented
    return Worst(row.recording.file, added, row.recording.reference, mine.text, other.text)
