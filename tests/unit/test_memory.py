"""Free memory goes back; where there is a GNU C library."""

from __future__ import annotations

import platform
import time

import numpy as np
import psutil
import pytest

from zhiyin.ops.memory import give_back, give_back_regularly

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not the GNU C library")

_PIECE_BYTES, _PIECES = 100_000, 2_000


def rss() -> int:
    return int(psutil.Process().memory_info().rss)


def scattered() -> list[np.ndarray]:
    """A few pieces in use, with much freed memory between them."""
    pieces = [np.ones(_PIECE_BYTES, np.uint8) for _ in range(_PIECES)]
    return pieces[::50]


@pytest.mark.parametrize("by_itself", [False, True])
def test_what_is_free_between_pieces_in_use_is_given_back(by_itself: bool) -> None:
    give_back()
    before = rss()
    held = scattered()
    kept = rss()
    assert kept - before > 0.8 * _PIECE_BYTES * _PIECES, "it is kept until it is given back"
    stop = give_back_regularly(0.05) if by_itself else give_back
    end = time.monotonic() + 10
    while by_itself and rss() > kept - 0.5 * _PIECE_BYTES * _PIECES and time.monotonic() < end:
        time.sleep(0.02)
    stop()
    assert rss() < kept - 0.5 * _PIECE_BYTES * _PIECES
    assert all(piece[0] == 1 for piece in held)
