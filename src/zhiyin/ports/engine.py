"""Engine port: what a recognition engine implements.

Third-party engines implement `Engine` and `EngineProvider` and register, under the entry-point
group `zhiyin.engines`, a callable from `EngineContext` to `EngineProvider`;
`zhiyin.testing.engine_contract` tests them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from zhiyin.domain.audio import Samples
from zhiyin.domain.calibration import CalibrationOptions, LabelledRecording, OnProgress, Score
from zhiyin.domain.engine import Again, Clip, ClipResult, EngineCapabilities, ModelInfo, Plan
from zhiyin.domain.errors import AsrError
from zhiyin.domain.options import DecodeOptions


class Engine(Protocol):
    """One loaded model. Synchronous; the scheduler owns the threads that call it."""

    @property
    def capabilities(self) -> EngineCapabilities:
        """What this model can do; known before `load`."""
        ...

    @property
    def concurrency(self) -> int:
        """How many threads may call `transcribe_batch` at once; known after `load`."""
        ...

    @property
    def version(self) -> str:
        """Names what its texts come from: weights, number format, policy, libraries.

        Known after `load`, empty before. Engines of equal version give equal texts, on any machine;
        results are kept under it.
        """
        ...

    def load(self) -> None:
        """Bring the weights into memory. Raises AsrError when that can't be done."""
        ...

    def plan(self, clip: Clip) -> Plan:
        """What the clip would cost, and which clips can run with it.

        Cheap, from any thread, after `close` too: a new engine may still be loading.
        """
        ...

    def transcribe_batch(self, clips: Sequence[Clip]) -> list[ClipResult | Again | AsrError]:
        """One result, error or wish for another pass per clip, in order.

        The clips are of one `plan` kind and at most `max_batch`. One bad clip must not fail the
        others; when the call raises all the same, each clip is tried again alone.
        """
        ...

    def close(self) -> None:
        """Free the memory; the engine is not used again."""
        ...


class EngineStream(Protocol):
    """One utterance while it is under way. One thread at a time, not always the same."""

    def accept(self, samples: Samples) -> ClipResult:
        """Take more sound, float32[n] at 16 kHz; the result until now.

        Times are seconds from the first sample of the stream. Words at the end may still change.
        """
        ...

    def finish(self) -> ClipResult:
        """The whole result; nothing more is accepted."""
        ...

    def close(self) -> None:
        """Free what the stream holds, finished or not; it is not used again."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """What an `Engine` is besides, when its capabilities say `streaming`.

    Live sessions then hand it their sound as it comes; all else asks `transcribe_batch`.
    """

    def open_stream(self, options: DecodeOptions) -> EngineStream:
        """A new utterance. Any number may be open, and their calls come in any order."""
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


@runtime_checkable
class Calibrates(Protocol):
    """What a provider may do besides: measure how its models are best decoded."""

    def calibrate(
        self,
        model_id: str,
        samples: Sequence[LabelledRecording],
        options: CalibrationOptions,
        score: Score,
        on_progress: OnProgress,
    ) -> Path:
        """Measure on the samples and write what was chosen; the file, JSON.

        Engines made afterwards use it, unless the caller wanted it elsewhere. The file has, under
        "measured" and each language, "reference", "candidates" and "chosen", and no text of a
        recording. Raises UnknownModel, ModelNotInstalled, EngineFailed, or AsrError when the file
        can't be written.
        """
        ...
