"""The scripted engine as an installed package would bring it: put tests/plugins on PYTHONPATH."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from zhiyin.domain.engine import EngineContext, ModelInfo
from zhiyin.domain.errors import UnknownModel
from zhiyin.engines.scripted import ScriptedEngine


@dataclass
class ScriptedProvider:
    """Offers the model `script`; SCRIPTED_DELAY_S is slept for every clip."""

    context: EngineContext
    name: str = "scripted"

    def models(self) -> list[ModelInfo]:
        """One model."""
        can = ScriptedEngine().capabilities
        return [ModelInfo("script", self.name, can, installed=True)]

    def create(self, model_id: str) -> ScriptedEngine:
        """A new engine."""
        return ScriptedEngine(delay_s=float(os.environ.get("SCRIPTED_DELAY_S", "0")))

    def pull(self, model_id: str) -> Path:
        """Nothing to fetch."""
        raise UnknownModel(model_id)

    def path(self, model_id: str) -> Path:
        """Nothing on disk."""
        raise UnknownModel(model_id)
