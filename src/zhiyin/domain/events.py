"""Events of a recognition, in order: progress, segments, `Finished` last."""

from __future__ import annotations

from dataclasses import dataclass

from zhiyin.domain.transcript import Segment, Transcript


@dataclass(frozen=True, slots=True)
class Progress:
    """Seconds of audio done; `duration` is what the file declares, None when unknown."""

    processed: float
    duration: float | None


@dataclass(frozen=True, slots=True)
class SegmentReady:
    """A segment that will not change any more."""

    index: int
    segment: Segment


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole result."""

    transcript: Transcript


Event = Progress | SegmentReady | Finished
