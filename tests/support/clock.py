"""A clock for tests."""

from __future__ import annotations


class Clock:
    """A clock that stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now
