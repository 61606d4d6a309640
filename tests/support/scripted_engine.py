"""A transcriber around the scripted engine, and recordings for it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support import media
from zhiyin.audio.decode import AvDecoder
from zhiyin.core.recognition.prepare import Preparer
from zhiyin.core.recognition.result_cache import ResultCache
from zhiyin.core.recognition.transcriber import Transcriber
from zhiyin.core.scheduling.registry import Registry, RegistryPolicy
from zhiyin.core.scheduling.scheduler import Scheduler
from zhiyin.core.segmentation.cutting import CutPolicy
from zhiyin.core.text_steps import TextSteps
from zhiyin.domain.audio import AudioLimits
from zhiyin.domain.engine import ModelInfo
from zhiyin.domain.errors import UnknownModel
from zhiyin.domain.options import DecodeOptions, TranscribeOptions
from zhiyin.domain.source import AudioSource
from zhiyin.engines.scripted import SLOT, ScriptedEngine
from zhiyin.ports.vad import FRAME


class LoudnessVad:
    """Speech is what is not silent; the scripted engine hears the same."""

    def session(self) -> LoudnessVad:
        """No state."""
        return self

    def probabilities(self, samples: media.Samples) -> NDArray[np.float32]:
        """1 where there is sound."""
        peaks = np.abs(samples.reshape(-1, FRAME)).max(axis=1)
        return np.asarray(peaks > 0.004, np.float32)


class Provider:
    """Offers the scripted engine."""

    name = "scripted"

    def __init__(self, engine: ScriptedEngine) -> None:
        self.engine = engine

    def models(self) -> list[ModelInfo]:
        """One model."""
        return [ModelInfo("script", self.name, self.engine.capabilities, installed=True)]

    def create(self, model_id: str) -> ScriptedEngine:
        """That engine."""
        return self.engine

    def pull(self, model_id: str) -> Path:
        """Nothing to fetch."""
        raise UnknownModel(model_id)

    def path(self, model_id: str) -> Path:
        """Nothing on disk."""
        raise UnknownModel(model_id)


@asynccontextmanager
async def service(
    engine: ScriptedEngine,
    max_seconds: float = 600,
    results: ResultCache | None = None,
    steps: TextSteps | None = None,
) -> AsyncIterator[Transcriber]:
    """A transcriber around the engine."""
    registry = Registry([Provider(engine)], RegistryPolicy("script", {}), Scheduler)
    pool = ThreadPoolExecutor(2)
    preparer = Preparer(AvDecoder(), LoudnessVad(), AudioLimits(max_seconds), CutPolicy(), pool)
    try:
        yield Transcriber(registry, preparer, results, steps=steps or TextSteps())
    finally:
        await registry.close()
        if results is not None:
            await results.close()
        pool.shutdown()


def recording(levels: list[int]) -> AudioSource:
    """Slot i has the loudness levels[i] / 100; 0 is silence."""
    sound = np.repeat(np.array(levels, np.float32) / np.float32(100), SLOT)
    data = media.wav(sound)
    return AudioSource(io.BytesIO(data), len(data))


def options(**changes: object) -> TranscribeOptions:
    """English with word times."""
    decode = DecodeOptions(language="en", words=True)
    for name, value in changes.items():
        object.__setattr__(decode, name, value)
    return TranscribeOptions(decode=decode)
