"""A real recognition before the first caller comes: it proves the engine, and warms it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits
from zhiyin.domain.engine import Clip
from zhiyin.domain.errors import AsrError, EngineFailed
from zhiyin.domain.options import DecodeOptions
from zhiyin.domain.source import AudioSource
from zhiyin.ports.decoder import Decoder
from zhiyin.ports.engine import Engine

_SECONDS = 4


def warm_up(engine: Engine, decoder: Decoder, sample: Path) -> None:
    """Recognize the start of `sample` (English speech). Raises EngineFailed without text."""
    with sample.open("rb") as stream:
        source = AudioSource(stream, sample.stat().st_size)
        decoded = decoder.open(source, AudioLimits(60.0))
        try:
            samples = np.concatenate(list(decoded.blocks()))
        finally:
            decoded.close()
    languages = engine.capabilities.languages
    options = DecodeOptions(language="en" if "en" in languages else None)
    result = engine.transcribe_batch([Clip(samples[: _SECONDS * SAMPLE_RATE], options)])[0]
    if isinstance(result, AsrError):
        raise result
    if "en" in languages and not result.segments:
        raise EngineFailed("The model hears nothing in the test recording; its weights are bad.")
