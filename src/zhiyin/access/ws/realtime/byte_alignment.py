"""What half a sample before a commit was: the end of what was committed, or the first byte of more.

A client that cuts one stream anywhere sends the other half next; one that sends a file of an odd
size, and then another, does not, and all of that one would be noise.
"""

from __future__ import annotations

import numpy as np

_LEAST, _MOST = 32, 32 << 10  # samples to judge by
_CLEARLY = 2.0


def completes(data: bytes) -> bool | None:
    """Whether s16le sound begins with the second half of a sample; None when that can't be judged.

    High bytes change little from one sample to the next, low bytes a lot.
    """
    pairs = np.frombuffer(data, np.int8, min(len(data) // 2, _MOST) * 2).reshape(-1, 2)
    if len(pairs) < _LEAST:
        return None
    first, second = np.abs(np.diff(pairs.astype(np.int16), axis=0)).mean(axis=0)
    # Bytes that never change are silence, or the low ones of eight-bit sound.
    if not first or not second or max(first, second) < _CLEARLY * min(first, second):
        return None
    return bool(first < second)
