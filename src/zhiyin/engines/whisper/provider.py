"""Names the Whisper models: those of the catalogue and folders the operator adds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from zhiyin.domain.calibration import CalibrationOptions, LabelledRecording, OnProgress, Score
from zhiyin.domain.engine import EngineCapabilities, EngineContext, ModelInfo
from zhiyin.domain.errors import BadWeights, EngineFailed, UnknownModel
from zhiyin.domain.languages import LANGUAGES
from zhiyin.engines.whisper import policy_files
from zhiyin.engines.whisper.calibration import Calibration
from zhiyin.engines.whisper.catalogue import BY_ID, MODELS, WhisperModel
from zhiyin.engines.whisper.engine import WhisperEngine
from zhiyin.engines.whisper.placement import place, settle_process
from zhiyin.engines.whisper.policy import FULL_WINDOW_S
from zhiyin.engines.whisper.weights import WeightStore

_MAX_BATCH = 8  # more gain little on two cores and keep others waiting
_FEATURES = frozenset({"prompt", "hotwords", "beam", "music"})
_CANTONESE = {"whisper-large-v3", "whisper-large-v3-turbo"}


class WhisperProvider:
    """The Whisper engine; see `ports.engine.EngineProvider`."""

    name = "whisper"

    def __init__(self, context: EngineContext) -> None:
        settle_process()
        self._store = WeightStore(context.models_dir)
        self._folders = context.folders
        self._context = context
        self._calibrations = context.models_dir.parent / "calibration"

    def models(self) -> list[ModelInfo]:
        """Folders first, then the catalogue."""
        own = [self._own(name, path) for name, path in self._folders.items()]
        return own + [self._listed(m) for m in MODELS if m.id not in self._folders]

    def create(self, model_id: str) -> WhisperEngine:
        """An engine, not yet loaded; its calibration is read now. Raises ConfigError."""
        can = self._capabilities(model_id)
        policy = policy_files.load(model_id, self._calibrations)
        listed = None if model_id in self._folders else BY_ID[model_id].sha256
        return WhisperEngine(lambda: self.path(model_id), can, self._context, policy, listed)

    def pull(self, model_id: str) -> Path:
        """Fetch a model's weights; the folder they are in. Raises UnknownModel, Unavailable."""
        model = self._known(model_id)
        if self._store.installed(model):
            return self._store.ready(model)
        return self._store.pull(model)

    def path(self, model_id: str) -> Path:
        """The verified folder of an installed model."""
        if model_id in self._folders:
            return _checked(self._folders[model_id])
        return self._store.ready(self._known(model_id))

    def calibrate(
        self,
        model_id: str,
        samples: Sequence[LabelledRecording],
        options: CalibrationOptions,
        score: Score,
        on_progress: OnProgress,
    ) -> Path:
        """Choose windows by measurement; see `ports.engine.Calibrates`."""
        path = options.output or policy_files.file_of(model_id, self._calibrations)
        policy_files.reserve(path)  # better refused now than after an hour of measuring
        # One call at a time on all threads: what is compared must not disturb each other.
        backend = place(self.path(model_id), replace(self._context, replicas=1)).alone
        try:
            content = Calibration(backend, options, score, on_progress).run(model_id, samples)
        except RuntimeError as error:  # CTranslate2's only kind
            raise EngineFailed("Whisper failed while it was calibrated.") from error
        finally:
            backend.close()
        policy_files.save(path, content)
        return path

    def _capabilities(self, model_id: str) -> EngineCapabilities:
        if model_id in self._folders:
            return _folder_capabilities(self._folders[model_id])
        return _capabilities(self._known(model_id))

    def _known(self, model_id: str) -> WhisperModel:
        if model_id not in BY_ID:
            raise UnknownModel(f"Whisper has no model '{model_id}'.", param="model")
        return BY_ID[model_id]

    def _listed(self, model: WhisperModel) -> ModelInfo:
        return ModelInfo(
            model.id,
            self.name,
            _capabilities(model),
            installed=self._store.installed(model),
            description=model.description,
            size_bytes=model.size_bytes,
            created=model.created,
        )

    def _own(self, name: str, path: Path) -> ModelInfo:
        weights = path / "model.bin"
        installed = weights.is_file()
        info = weights.stat() if installed else None
        return ModelInfo(
            name,
            self.name,
            _folder_capabilities(path),
            installed=installed,
            description=f"From {path}",
            size_bytes=info.st_size if info else 0,
            created=int(info.st_mtime) if info else 0,
        )


def _capabilities(model: WhisperModel) -> EngineCapabilities:
    languages = set(LANGUAGES) - (set() if model.id in _CANTONESE else {"yue"})
    features = _FEATURES | {"detect"}
    if not model.distilled_decoder:
        features |= {"translate"}
    return EngineCapabilities(
        frozenset(languages),
        max_seconds=FULL_WINDOW_S,
        max_batch=_MAX_BATCH,
        words=True,
        features=features,
    )


def _folder_capabilities(path: Path) -> EngineCapabilities:
    """What a converted model can do, from the languages its config.json lists."""
    try:
        config = json.loads((path / "config.json").read_text())
        count = len(config.get("lang_ids", []))
    except (OSError, ValueError, AttributeError, TypeError):
        count = 0
    if count < 2:
        english = frozenset({"en"})
        return EngineCapabilities(
            english, FULL_WINDOW_S, _MAX_BATCH, words=True, features=_FEATURES
        )
    languages = frozenset(LANGUAGES) - (frozenset() if count >= 100 else {"yue"})
    features = _FEATURES | {"detect", "translate"}
    return EngineCapabilities(languages, FULL_WINDOW_S, _MAX_BATCH, words=True, features=features)


def _checked(path: Path) -> Path:
    for name in ("model.bin", "config.json", "tokenizer.json"):
        if not (path / name).is_file():
            raise BadWeights(f"{path} has no {name}; it is not a CTranslate2 Whisper model.")
    return path
