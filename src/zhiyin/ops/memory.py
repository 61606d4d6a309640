"""Gives unused memory back to the system.

Connections leave objects that refer to each other, with their buffers, to Python's collector, which
looks at the old ones seldom; and the GNU C library keeps what is freed between pieces in use. After
a thousand live sessions these were 40 and 150 to 200 MB.
"""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Callable
from contextlib import suppress

_EVERY_S = 15.0


def give_back() -> None:
    """Once, in 20 to 40 ms; the C library's part only where it can."""
    gc.collect()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def give_back_regularly(every_s: float = _EVERY_S) -> Callable[[], None]:
    """From now on, on a thread of its own, until what is returned is called.

    What is there at the first time, modules and models, is not looked through again: of 170,000
    objects 10,000 are left, and the collector stops the process for 15 ms instead of 125.
    """
    over = threading.Event()

    def work() -> None:
        if over.wait(every_s):
            return
        gc.collect()
        gc.freeze()
        while not over.wait(every_s):
            give_back()

    threading.Thread(target=work, name="zhiyin-memory", daemon=True).start()
    return over.set
