"""Warm-up: a real recognition before the first request; it proves the engine, and times it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits, Samples
from zhiyin.domain.engine import Clip, ClipResult
from zhiyin.domain.errors import AsrError, EngineFailed
from zhiyin.domain.options import DecodeOptions
from zhiyin.domain.source import AudioSource
from zhiyin.ports.decoder import Decoder
from zhiyin.ports.engine import Engine

_SHORT_S = 4.0
_LONG_S = 14.0  # a usual piece; the longest takes half as much memory again


def warm_up(
    engine: Engine, decoder: Decoder, sample: Path, clock: Callable[[], float]
) -> list[tuple[float, float]]:
    """Recognize `sample` (English speech), a short piece and a long one.

    Gives (computed seconds, engine seconds) of each call, for the cost model. Raises
    EngineFailed when the engine finds no text.
    """
    speech = _read(decoder, sample)
    languages = engine.capabilities.languages
    options = DecodeOptions(language="en" if "en" in languages else None)
    short = Clip(speech[: int(_SHORT_S * SAMPLE_RATE)], options)
    _recognize(engine, short)  # the first call also allocates
    long_s = int(min(_LONG_S, engine.capabilities.max_seconds) * SAMPLE_RATE)
    long = Clip(np.tile(speech, 1 + long_s // len(speech))[:long_s], options)
    return [_timed(engine, clip, clock) for clip in (short, long)]


def _timed(engine: Engine, clip: Clip, clock: Callable[[], float]) -> tuple[float, float]:
    begun = clock()
    engine.transcribe_batch([clip])
    return engine.plan(clip).seconds, clock() - begun


def _recognize(engine: Engine, clip: Clip) -> None:
    outcome = engine.transcribe_batch([clip])[0]
    if isinstance(outcome, AsrError):
        raise outcome
    found = not isinstance(outcome, ClipResult) or outcome.segments
    if "en" in engine.capabilities.languages and not found:
        raise EngineFailed("The model finds no text in the test recording; its weights are bad.")


def _read(decoder: Decoder, sample: Path) -> Samples:
    with sample.open("rb") as stream:
        decoded = decoder.open(AudioSource(stream, sample.stat().st_size), AudioLimits(60.0))
        try:
            return np.concatenate(list(decoded.blocks()))
        finally:
            decoded.close()
