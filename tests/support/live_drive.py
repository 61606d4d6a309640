"""A live session with its surroundings: who speaks, and an engine that is slow and errs.

Time is frames of 32 ms. What is said in ten frames is one word, named by its place, so that what
was lost, doubled or moved shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import numpy as np

from zhiyin.core.live.session import Session, SessionPolicy
from zhiyin.core.live.utterance import DecodeRequest, Hypothesis
from zhiyin.core.segmentation.endpointing import FRAME_S
from zhiyin.domain.live import Done, Final, LiveEvent, Partial, SpeechEnded, SpeechStarted, Warned
from zhiyin.domain.transcript import Word
from zhiyin.ports.vad import FRAME

WORD = 10  # frames

E = TypeVar("E", bound=LiveEvent)


@dataclass
class Drive:
    """A session with its surroundings: who speaks, and an engine that is slow and errs."""

    policy: SessionPolicy = field(default_factory=SessionPolicy)
    said: list[bool] = field(default_factory=list)
    events: list[LiveEvent] = field(default_factory=list)
    pending: list[tuple[int, DecodeRequest]] = field(default_factory=list)
    works: list[DecodeRequest] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)
    garble: bool = True
    delay: int = 8
    failing: int = 0

    def __post_init__(self) -> None:
        self.session = Session(self.policy)

    def hear(self, speech: bool, frames: int, loudness: float = 0.1) -> None:
        for _ in range(frames):
            self.said.append(speech)
            level = loudness if speech else 0.0
            probability = np.full(1, 0.95 if speech else 0.02, np.float32)
            self.session.push(np.full(FRAME, level, np.float32), probability)
            self._turn()

    def commit(self) -> None:
        self.commits.append(len(self.said))
        self.session.commit()
        self._turn()

    def finish(self) -> None:
        self.session.finish()
        for _ in range(10_000):
            if self.session.finished:
                break
            self._turn(hurry=True)
        self.events += self.session.take_events()

    def _turn(self, *, hurry: bool = False) -> None:
        now = len(self.said)
        for due, work in list(self.pending):
            if due <= now or hurry:
                self.pending.remove((due, work))
                self._answer(work)
        while (wanted := self.session.next_work()) is not None:
            kinds = [w.kind for _, w in self.pending]
            assert wanted.kind not in kinds, "one partial and one final at a time"
            self.works.append(wanted)
            self.pending.append((now + self.delay, wanted))
        self.events += self.session.take_events()

    def _answer(self, work: DecodeRequest) -> None:
        if self.failing > 0:
            self.failing -= 1
            self.session.failed(work)
            return
        words = self.words(work.begin, work.end)
        if self.garble and work.kind == "partial" and words:
            words[-1] = Word("uh", words[-1].start, words[-1].end, 0.1)
        self.session.done(work, Hypothesis(tuple(words), "en"), self.delay * FRAME_S)

    def words(self, begin: int, end: int) -> list[Word]:
        """A word belongs to a stretch that holds its middle frame."""
        found = []
        for i in range(len(self.said) // WORD + 1):
            middle = i * WORD + WORD // 2
            if begin <= middle < end and middle < len(self.said) and self.said[middle]:
                start = max(begin, i * WORD) * FRAME_S
                found.append(Word(f"w{i}", start, min(end, (i + 1) * WORD) * FRAME_S, 1.0))
        return found

    def of(self, kind: type[E]) -> list[E]:
        return [e for e in self.events if isinstance(e, kind)]

    def text(self) -> list[str]:
        return " ".join(f.text for f in self.of(Final)).split()

    def check(self) -> None:
        """Every promise."""
        finals, started = self.of(Final), self.of(SpeechStarted)
        assert [f.segment_id for f in finals] == [s.segment_id for s in started]
        assert [f.segment_id for f in finals] == [e.segment_id for e in self.of(SpeechEnded)]
        assert [f.start for f in finals] == sorted(f.start for f in finals)
        for final, start in zip(finals, started, strict=True):
            assert final.start == start.start
            partials = [p for p in self.of(Partial) if p.segment_id == final.segment_id]
            for before, after in pairwise([*(p.stable for p in partials), final.text]):
                assert after.startswith(before), "stable text only grows, into the final"
            assert [p.seq for p in partials] == list(range(1, len(partials) + 1))
        order = [e for e in self.events if not isinstance(e, Warned)]
        assert isinstance(order[-1], Done)
        assert order[-1].segments == len(finals)
        over: set[int] = set()
        for event in order:
            if isinstance(event, Done):
                continue
            assert event.segment_id not in over, "nothing after the final"
            if isinstance(event, Final):
                over.add(event.segment_id)

    def covers_all_speech(self) -> None:
        """Speech of at least an onset's length lies inside some final."""
        for begin, end in self._runs():
            if end - begin < 4 or any(begin - 1 <= c <= end for c in self.commits):
                continue
            whole = [
                f for f in self.of(Final)
                if f.start <= begin * FRAME_S + 1e-6 and f.end >= end * FRAME_S - 1e-6
            ]  # fmt: skip
            split = [f for f in self.of(Final) if f.reason == "split"]
            assert whole or split, f"speech of frames {begin} to {end} was lost"

    def _runs(self) -> list[tuple[int, int]]:
        edges = np.flatnonzero(np.diff([0, *map(int, self.said), 0]))
        return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
