"""Downmix: frames of any layout, as mono."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from av.audio.frame import AudioFrame


def mixed(frame: AudioFrame) -> Iterator[AudioFrame]:
    """A packed float frame of any layout as mono frames of at most a second."""
    channels = frame.layout.nb_channels
    rate = frame.sample_rate
    sound = frame.to_ndarray().reshape(-1, channels)
    for at in range(0, len(sound), rate):
        # Float samples may be NaN or far outside [-1, 1].
        part = np.clip(np.nan_to_num(sound[at : at + rate]), -1.0, 1.0)
        mono = part.mean(axis=1, dtype=np.float32)
        made = AudioFrame.from_ndarray(mono.reshape(1, -1), format="flt", layout="mono")
        made.sample_rate = rate
        yield made
