"""What zhiyin asks of a recognition engine.

Third-party engines implement these two protocols and register, under the entry-point group
`zhiyin.engines`, a callable from `EngineContext` to `EngineProvider`;
`zhiyin.testing.engine_contract` tests them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from zhiyin.domain.engine import Clip, ClipResult, EngineCapabilities, ModelInfo
from zhiyin.domain.errors import AsrError


class Engine(Protocol):
    """One loaded model. Synchronous; called by one thread at a time, which the scheduler owns."""

    @property
    def capabilities(self) -> EngineCapabilities:
        """What this model can do; known before `load`."""
        ...

    def load(self) -> None:
        """Bring the weights into memory. Raises AsrError when that can't be done."""
        ...

    def transcribe_batch(self, clips: Sequence[Clip]) -> list[ClipResult | AsrError]:
        """One result or error per clip, in order. One bad clip must not fail the others."""
        ...

    def close(self) -> None:
        """Free the memory; the engine is not used again."""
        ...


class EngineProvider(Protocol):
    """Names an engine's models and makes `Engine` objects. Cheap to build and to ask."""

    name: str

    def models(self) -> list[ModelInfo]:
        """Every model this engine offers, installed or not."""
        ...

    def create(self, model_id: str) -> Engine:
        """An engine for that model, not yet loaded. Raises ModelNotInstalled."""
        ...

    def pull(self, model_id: str) -> Path:
        """Fetch and verify a model's weights. Raises UnknownModel, Unavailable, BadWeights."""
        ...

    def path(self, model_id: str) -> Path:
        """The folder of an installed model. Raises UnknownModel, ModelNotInstalled."""
        ...
