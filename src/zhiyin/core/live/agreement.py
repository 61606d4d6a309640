"""LocalAgreement: which part of the partial results is stable. Pure.

LocalAgreement-2 (Machacek, Dabre, Bojar, "Turning Whisper into Real-Time Transcription System",
2023): what two consecutive hypotheses agree on is settled for good. Compared are words, or
characters in scripts without spaces, without case and punctuation; punctuation is settled together
with what follows it, because a decoder ends every text with a full stop.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from zhiyin.domain.languages import separator
from zhiyin.domain.transcript import Word


@dataclass(frozen=True, slots=True)
class AgreementPolicy:
    """When hypotheses settle text."""

    fresh_s: float = 0.3
    """Of new audio between two hypotheses that confirm each other."""
    edge_s: float = 1.2
    """Words that end less than this before the end of the audio may still be cut off."""
    sure: float = 0.7
    """Confidence; on words below it hypotheses agree though they are wrong."""
    unsure_edge_s: float = 3.0
    """The edge for words that are not `sure`."""
    hindsight_s: float = 2.0
    """Of a segment's audio before anything is settled."""
    patience: int = 3
    """Hypotheses that settled nothing; after these the newest one is believed."""
    stalled_s: float = 4.0
    """Of speech that must wait, too, before it is."""
    trailing_s: float = 2.0
    """Before its end, up to which it is."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A word or character: `core` without its punctuation, `tail` the punctuation after it.

    `key` is what is compared. Seconds on the clock of the recording.
    """

    lead: str
    core: str
    tail: str
    key: str
    word: Word

    @property
    def end(self) -> float:
        """When it ends."""
        return self.word.end


@dataclass(frozen=True, slots=True)
class View:
    """The text of a segment so far; the whole is `stable + unstable`."""

    stable: str
    unstable: str


def units_of(words: Iterable[Word]) -> list[Unit]:
    """Words as units; those of scripts without spaces fall into characters."""
    found: list[Unit] = []
    opening = ""
    for word in words:
        for part in _characters(word):
            unit = _unit(part)
            if unit.key:
                found.append(replace(unit, lead=opening + unit.lead))
                opening = ""
            elif found:  # punctuation by itself belongs to the word before
                found[-1] = replace(found[-1], tail=found[-1].tail + unit.core)
            else:
                opening += unit.core
    return found


def joined(units: Iterable[Unit]) -> str:
    """The units as text."""
    text = ""
    for unit in units:
        shown = unit.lead + unit.core + unit.tail
        text += separator(text, shown) + shown
    return text


def settled_prefix(stable: Sequence[Unit], units: Sequence[Unit]) -> int:
    """How many of `units` repeat the text of `stable`.

    The prefix with the least edit distance; of equal ones that whose end is nearest in time.
    """
    if not stable:
        return 0
    distances = prefix_distances([u.key for u in stable], [u.key for u in units])
    end = stable[-1].end

    def distance(p: int) -> tuple[int, float]:
        at = units[p - 1].end if p else stable[0].word.start
        return distances[p], abs(at - end)

    return min(range(len(units) + 1), key=distance)


def prefix_distances(known: Sequence[str], keys: Sequence[str]) -> list[int]:
    """The edit distance between `known` and each prefix of `keys`, the empty one first."""
    row = list(range(len(keys) + 1))
    for key in known:
        previous, row = row, [row[0] + 1]
        for j, other in enumerate(keys):
            change = previous[j] + (key != other)
            row.append(min(change, previous[j + 1] + 1, row[j] + 1))
    return row


class Agreement:
    """The settled and the unsettled text of one segment. `stable` only ever grows."""

    def __init__(self, policy: AgreementPolicy) -> None:
        self._policy = policy
        self._stable: list[Unit] = []
        self._text = ""
        self._rest: list[Unit] = []
        self._until = float("-inf")
        self._fruitless = 0

    @property
    def stable(self) -> Sequence[Unit]:
        """The units that are settled."""
        return self._stable

    @property
    def settled_until(self) -> float:
        """Where the settled words end; 0 when there are none."""
        return self._stable[-1].end if self._stable else 0.0

    @property
    def view(self) -> View:
        """The text as it stands."""
        return View(self._text, self._unstable())

    def update(
        self, words: Iterable[Word], window: float, audio_end: float, speech_start: float
    ) -> View:
        """Update by a hypothesis over the audio from `window` to `audio_end`; the text now.

        `speech_start` is where the segment's speech began.
        """
        units = self._tail(units_of(words), window)
        fresh = audio_end - self._until >= self._policy.fresh_s
        ripe = fresh and audio_end - speech_start >= self._policy.hindsight_s
        agreed = self._agreed(units, audio_end) if ripe else 0
        if ripe and not agreed:
            self._fruitless += 1
            agreed = self._forced(units, audio_end, speech_start)
        if agreed:
            self._fruitless = 0
            self._settle(units[:agreed])
        if fresh:
            self._until = audio_end
        self._rest = units[agreed:]
        return self.view

    def close(self, words: Iterable[Word], window: float) -> tuple[str, tuple[Word, ...]]:
        """The final text and words, by a last hypothesis; what was settled stays as it was."""
        self._rest = self._tail(units_of(words), window)
        return self.give_up()

    def give_up(self) -> tuple[str, tuple[Word, ...]]:
        """The text and words as they stand."""
        words = tuple(u.word for u in (*self._stable, *self._rest))
        return self._text + self._unstable(), words

    def _tail(self, units: list[Unit], window: float) -> list[Unit]:
        """What comes after the settled text."""
        inside = [u for u in self._stable if u.end > window]
        at = settled_prefix(inside, units)
        if at:
            # A full stop may have been but the end of the audio; the newest hypothesis knows.
            self._stable[-1] = replace(self._stable[-1], tail=units[at - 1].tail)
        return units[at:]

    def _agreed(self, units: list[Unit], audio_end: float) -> int:
        count = 0
        for old, new in zip(self._rest, units, strict=False):
            if old.key != new.key or new.end > audio_end - self._edge(new):
                break
            count += 1
        return count

    def _edge(self, unit: Unit) -> float:
        sure = unit.word.confidence >= self._policy.sure
        return self._policy.edge_s if sure else self._policy.unsure_edge_s

    def _forced(self, units: list[Unit], audio_end: float, speech_start: float) -> int:
        policy = self._policy
        since = self._stable[-1].end if self._stable else speech_start
        if self._fruitless < policy.patience or audio_end - since < policy.stalled_s:
            return 0
        limit = audio_end - policy.trailing_s
        return next((i for i, u in enumerate(units) if u.end > limit), len(units))

    def _settle(self, units: Sequence[Unit]) -> None:
        for unit in units:
            before = self._stable[-1].tail if self._stable else ""
            shown = unit.lead + unit.core
            text = self._text + before
            self._text = text + separator(text, shown) + shown
            self._stable.append(unit)

    def _unstable(self) -> str:
        before = self._stable[-1].tail if self._stable else ""
        rest = joined(self._rest)
        return before + separator(self._text + before, rest) + rest


def _characters(word: Word) -> list[Word]:
    text = word.text.strip()
    parts: list[str] = []
    for char in text:
        # A boundary wherever no space would stand anyway, but never inside of what is read as one.
        if parts and (separator(parts[-1], char) or unicodedata.category(char)[0] == "M"):
            parts[-1] += char
        else:
            parts.append(char)
    if len(parts) < 2:
        return [replace(word, text=text)] if text else []
    step = (word.end - word.start) / len(parts)
    starts = [word.start + i * step for i in range(len(parts))]
    return [
        replace(word, text=part, start=at, end=at + step)
        for part, at in zip(parts, starts, strict=True)
    ]


def _unit(word: Word) -> Unit:
    text = word.text
    core = text.rstrip("".join(c for c in text if not _counts(c)))
    lead = core[: len(core) - len(core.lstrip("".join(c for c in core if not _counts(c))))]
    core = core[len(lead) :]
    tail = text[len(lead) + len(core) :]
    key = "".join(c for c in unicodedata.normalize("NFKC", core).lower() if _counts(c))
    if not key:
        return Unit("", text, "", "", word)
    return Unit(lead, core, tail, key, replace(word, text=text))


def _counts(char: str) -> bool:
    """Letters, marks, numbers and symbols count, and what is read aloud; punctuation does not."""
    return unicodedata.category(char)[0] in "LMNS" or char in _READ_ALOUD


_READ_ALOUD = frozenset("%&@#‰％＆＠＃")
