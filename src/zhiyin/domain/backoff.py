"""Exponential backoff."""

from __future__ import annotations

_MOST_DOUBLINGS = 60  # a float ends much later, and every bound is reached before


def backoff_s(failures: int, first_s: float, longest_s: float) -> float:
    """Seconds to wait after so many failures in a row: `first_s`, doubled with each one more.

    At most `longest_s`; no wait after no failure.
    """
    if failures < 1:
        return 0.0
    return min(longest_s, first_s * 2.0 ** min(_MOST_DOUBLINGS, failures - 1))
