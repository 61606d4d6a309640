"""Where speech begins and ends in a stream of frame probabilities. Pure.

One frame is `ports.vad.FRAME` samples, 32 ms. Speech starts at `enter` and lasts until it falls
under `leave` (hysteresis, as in Silero's `get_speech_timestamps`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from zhiyin.domain.audio import SAMPLE_RATE
from zhiyin.ports.vad import FRAME

FRAME_S = FRAME / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class EndpointPolicy:
    """When a segment begins and ends."""

    enter: float = 0.5
    """Probability at which speech begins."""
    leave: float = 0.3
    """Probability below which it may end."""
    onset_s: float = 0.096
    """Of frames at `enter`, none between them below `leave`, opens a segment."""
    pause_s: float = 0.2
    """A silence of this length lets a final be decoded ahead."""
    silence_s: float = 0.5
    """A silence of this length ends the segment."""
    hurry_s: tuple[tuple[float, float], ...] = ((12.0, 0.35), (20.0, 0.2))
    """Pairs of an age and the shorter silence that ends an older segment."""
    patience_s: float = 0.4
    """Of silence more, at most, for a segment that may well go on."""
    longest_s: float = 25.0
    """A segment of this age is split."""
    cut_window_s: float = 5.0
    """It is cut in its last seconds, so many."""

    def silence_at(self, age: float) -> float:
        """The silence that ends a segment of that age."""
        wanted = [s for a, s in self.hurry_s if age >= a]
        return min([self.silence_s, *wanted])


class Change(Enum):
    """What a frame brought."""

    ONSET = "onset"
    PAUSE = "pause"
    RESUME = "resume"
    END = "end"
    FULL = "full"


class Endpointer:
    """The state over one stream. `open` tells whether a segment is.

    `began` and `ended` are the frames where its speech starts, and stops so far (exclusive).
    """

    def __init__(self, policy: EndpointPolicy) -> None:
        self._policy = policy
        self._active = False
        self._run = 0
        self._sure = 0
        self._paused = False
        self.frame = 0
        self.open = False
        self.began = 0
        self.ended = 0

    @property
    def paused(self) -> bool:
        """Whether the open segment is in a pause."""
        return self._paused

    @property
    def over(self) -> bool:
        """Whether the open segment has been silent long enough to end."""
        age, silence = (self.frame - self.began) * FRAME_S, (self.frame - self.ended) * FRAME_S
        return self.open and silence >= self._policy.silence_at(age) - 1e-9

    def step(self, probability: float, *, patient: bool = False) -> Change | None:
        """Take the next frame; `patient` when the open segment may well go on."""
        policy = self._policy
        self._active = probability >= (policy.leave if self._active else policy.enter)
        self.frame += 1
        self._run = self._run + 1 if self._active else 0
        self._sure = self._sure + (probability >= policy.enter) if self._active else 0
        if not self.open:
            if self._sure * FRAME_S < policy.onset_s - 1e-9:
                return None
            self.open, self._paused = True, False
            self.began, self.ended = self.frame - self._run, self.frame
            return Change.ONSET
        return self._inside(policy.patience_s if patient else 0.0)

    def close(self) -> None:
        """The segment was ended from outside; the next onset opens another."""
        self.open = self._paused = False
        self._run = self._sure = 0

    def split(self, frame: int, ended: int | None) -> None:
        """What follows `frame` is a segment of its own, when there is speech in it."""
        self._paused = False
        self.began = frame
        if ended is None:
            self.close()
        else:
            self.ended = ended

    def _inside(self, more_s: float) -> Change | None:
        policy, age = self._policy, (self.frame - self.began) * FRAME_S
        if self._active:
            self.ended = self.frame
            if self._paused:
                self._paused = False
                return Change.RESUME
        silence = (self.frame - self.ended) * FRAME_S
        if silence >= policy.silence_at(age) + more_s - 1e-9 and silence > 0:
            self.close()
            return Change.END
        if age >= policy.longest_s - 1e-9:
            return Change.FULL
        if not self._paused and silence >= policy.pause_s - 1e-9:
            self._paused = True
            return Change.PAUSE
        return None
