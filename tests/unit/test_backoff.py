"""Waits grow with every failure in a row, to a bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zhiyin.domain.backoff import backoff_s


def test_each_wait_is_twice_the_last_up_to_the_longest() -> None:
    waits = [backoff_s(failures, 0.5, 15.0) for failures in range(8)]
    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]


@given(st.integers(1, 10**9), st.floats(1e-3, 1e3), st.floats(1e-3, 1e6))
def test_it_never_passes_the_longest_nor_goes_back(
    failures: int, first_s: float, longest_s: float
) -> None:
    wait_s = backoff_s(failures, first_s, longest_s)
    assert min(first_s, longest_s) <= wait_s <= longest_s
    assert wait_s <= backoff_s(failures + 1, first_s, longest_s)
