"""Voice activity detection (VAD) port."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zhiyin.domain.audio import Samples

FRAME = 512
"""Samples per decision: 32 ms at 16 kHz."""


class VadSession(Protocol):
    """The state of one recording."""

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """Speech probability per FRAME; `samples` is float32[k * FRAME], continuing the last."""
        ...


class Vad(Protocol):
    """Shared and thread-safe; all state is in the session."""

    def session(self) -> VadSession:
        """A detector for one recording."""
        ...
