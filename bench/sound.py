"""Recordings as samples, for clients that speak them."""

from __future__ import annotations

import numpy as np

from bench.manifest import Recording
from zhiyin.audio.decode import AvDecoder
from zhiyin.domain.audio import AudioLimits, Samples
from zhiyin.domain.source import AudioSource


def samples_of(recording: Recording) -> Samples:
    """float32 at 16 kHz, mono. Raises AsrError."""
    with recording.path.open("rb") as stream:
        source = AudioSource(stream, recording.path.stat().st_size)
        decoded = AvDecoder().open(source, AudioLimits(4 * 3600.0))
        return np.concatenate(list(decoded.blocks()))


def s16le(samples: Samples) -> bytes:
    """As microphones give it, rounded: cut off, quiet sound loses speech to the voice detector."""
    scaled = np.clip(np.rint(samples * 32768), -32768, 32767)
    return scaled.astype("<i2").tobytes()
