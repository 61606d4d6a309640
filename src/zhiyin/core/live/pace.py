"""How often partial results come: less often on a slow server, not at all while it is behind."""

from __future__ import annotations

from typing import Literal

from zhiyin.domain.live import Warned

Pace = Literal["usual", "slower", "paused"]
"""Of partial results."""

_PACES: dict[Pace, tuple[str, str]] = {
    "usual": ("partials_resumed", "The server has caught up; partial results are back."),
    "slower": ("partials_slower", "The server is busy; partial results come less often."),
    "paused": (
        "partials_paused", "The server is behind; partial results pause until it has caught up."
    ),
}  # fmt: skip


class Pacer:
    """Learns what results take; all in seconds.

    Partials pause while `behind` finals wait. Those that come only every `slow_s` are announced.
    """

    def __init__(self, cost_factor: float, behind: int, slow_s: float) -> None:
        self._cost_factor = cost_factor
        self._behind = behind
        self._slow_s = slow_s
        self._last_s = 0.0
        self._usual_s = 0.0  # that a partial takes, a moving average
        self._pace: Pace = "usual"

    @property
    def paused(self) -> bool:
        """Whether there are no partial results now."""
        return self._pace == "paused"

    @property
    def apart_s(self) -> float:
        """Of new audio between two partial results, at least."""
        return self._cost_factor * self._last_s

    def took(self, seconds: float, *, partial: bool) -> None:
        """A result took so long."""
        self._last_s = seconds
        if partial:
            self._usual_s += 0.3 * (seconds - self._usual_s)

    def turn(self, waiting: int) -> Warned | None:
        """What changes now that so many finals wait, if anything."""
        pace = self._now(waiting)
        if pace == self._pace:
            return None
        self._pace = pace
        return Warned(*_PACES[pace])

    def _now(self, waiting: int) -> Pace:
        if waiting >= self._behind:
            return "paused"
        slow = self._slow_s / 2 if self._pace == "slower" else self._slow_s
        return "slower" if self._cost_factor * self._usual_s > slow else "usual"
