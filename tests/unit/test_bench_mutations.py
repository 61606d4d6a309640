"""Cases of the fuzzer come again from their seed and number."""

from __future__ import annotations

from bench.mutations import case


def test_a_number_gives_the_same_case_again() -> None:
    assert [case(1, n) for n in range(8)] == [case(1, n) for n in range(8)]


def test_seeds_and_numbers_differ() -> None:
    made = {case(seed, n).data for seed in (1, 2) for n in range(6)}
    assert len(made) > 9


def test_both_doors_get_their_share() -> None:
    live = [case(3, n).live for n in range(30)]
    assert "" in live
    assert any(live)
