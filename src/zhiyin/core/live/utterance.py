"""A segment in the making, and what is to be done for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zhiyin.core.live.agreement import Agreement
from zhiyin.core.segmentation.endpointing import FRAME_S
from zhiyin.domain.audio import Samples, Span
from zhiyin.domain.live import Reason
from zhiyin.domain.transcript import Word

_GOES_ON = ("...", "…", ",", "，", "、", "-", "—")
"""How Whisper ends a text that breaks off in mid-sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodeRequest:
    """A stretch to decode for a segment; frames `begin` to `end`."""

    kind: Literal["partial", "final"]
    segment_id: int
    begin: int
    end: int
    samples: Samples
    speech: tuple[Span, ...]

    @property
    def start_s(self) -> float:
        """Where the samples begin."""
        return self.begin * FRAME_S

    @property
    def end_s(self) -> float:
        """Where the samples end."""
        return self.end * FRAME_S


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The result of a request: words on the clock of the stream, and how sure the decoder was."""

    words: tuple[Word, ...]
    language: str
    confidence: float = 1.0


@dataclass(slots=True)
class Utterance:
    """A segment in the making; frames. `ended` is the end of its speech so far."""

    id: int
    start: int
    audio: int
    began: int
    ended: int
    agreement: Agreement
    seq: int = 0
    shown: tuple[str, str] = ("", "")
    closed: Reason | None = None
    end: int = 0
    hypothesis: Hypothesis | None = None
    """The newest result from the very start, up to `until`."""
    until: int = -1
    failures: int = 0
    """Of results over all its speech in a row."""
    failed: int = -1
    """Where its speech ended when the last of them failed."""
    abandoned: bool = False
    looked: int = 0
    language: str = "und"
    before: Utterance | None = None
    """The segment before, whose sound is decoded with this one's from frame `context` on."""
    context: int = 0
    alone: bool = False
    """Whether it is decoded by itself all the same."""
    emitted: bool = False
    """Whether its final was."""

    @property
    def breaks_off(self) -> bool:
        """Whether a result over all its speech ends like a sentence that goes on."""
        if self.hypothesis is None or not self.covered or not self.hypothesis.words:
            return False
        return self.hypothesis.words[-1].text.endswith(_GOES_ON)

    @property
    def needs(self) -> int:
        """The first frame that may still be decoded for it."""
        return self.audio if self.before is None else min(self.audio, self.context)

    @property
    def covered(self) -> bool:
        """Whether there is a result over all its speech, and nothing of the next segment."""
        upto = self.until if self.closed is None else self.end
        return self.hypothesis is not None and self.ended <= self.until <= upto

    def fail(self) -> None:
        """A final result could not be had."""
        self.failures = 1 + (self.failures if self.failed == self.ended else 0)
        self.failed = self.ended

    def settled(self, retries: int) -> bool:
        """Whether there is nothing more to do for it: all is known, or was tried too often."""
        hopeless = self.failed == self.ended and self.failures > retries
        return self.covered or hopeless or self.abandoned
