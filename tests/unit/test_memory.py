"""What nobody uses goes back, and stays where somebody does."""

from __future__ import annotations

import gc
import platform
import time
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest

from zhiyin.ops.memory import release, release_regularly

_PIECE_BYTES, _PIECES = 100_000, 2_000


@pytest.fixture(autouse=True)
def by_hand() -> Iterator[None]:
    """Python's own collector rests, and looks at everything again afterwards."""
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


class Knot:
    """Refers to itself, so that only the collector finds it."""

    def __init__(self) -> None:
        self.itself = self


def rss() -> int:
    return int(psutil.Process().memory_info().rss)


def scattered() -> list[np.ndarray]:
    """A few pieces in use, with much freed memory between them."""
    pieces = [np.ones(_PIECE_BYTES, np.uint8) for _ in range(_PIECES)]
    return pieces[::50]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not the GNU C library")
@pytest.mark.parametrize("by_itself", [False, True])
def test_what_is_free_between_pieces_in_use_is_given_back(by_itself: bool) -> None:
    release()
    before = rss()
    held = scattered()
    kept = rss()
    assert kept - before > 0.8 * _PIECE_BYTES * _PIECES, "it is kept until it is given back"
    stop = release_regularly(0.05) if by_itself else release
    try:
        if not by_itself:
            release()
        _wait(lambda: rss() < kept - 0.5 * _PIECE_BYTES * _PIECES, "it is kept still")
    finally:
        stop()
    assert all(piece[0] == 1 for piece in held)


def test_what_only_the_collector_finds_is_given_back_again_and_again() -> None:
    old = Knot()
    stop = release_regularly(0.05)
    try:
        _wait(lambda: gc.get_freeze_count() > 1000, "what is there is not looked through again")
        for _ in range(3):
            _wait(_lost(), "it was not collected")
    finally:
        stop()
    assert old.itself is old


def test_what_a_request_holds_later_is_not_frozen() -> None:
    stop = release_regularly(0.05)
    try:
        held = [Knot()]
        ended = weakref.ref(held[0])
        _wait(lambda: gc.get_freeze_count() > 1000, "nothing is frozen")
        held.clear()
        _wait(lambda: ended() is None, "it was frozen with what had been there before")
    finally:
        stop()


def _lost() -> Callable[[], bool]:
    """Whether something that nobody has any more is gone."""
    lost = weakref.ref(Knot())
    return lambda: lost() is None


def _wait(over: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + 10
    while not over():
        assert time.monotonic() < end, otherwise
        time.sleep(0.02)
