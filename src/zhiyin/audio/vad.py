"""Silero VAD v6 (https://github.com/snakers4/silero-vad) on ONNX Runtime, as a stream.

The ONNX file comes with the faster-whisper package; the state (h, c and the last 64 samples)
is carried from call to call, so that a recording of any length needs a block of memory only.
"""

from __future__ import annotations

import importlib.util
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhiyin.domain.audio import Samples
from zhiyin.domain.errors import MissingExtra
from zhiyin.ports.vad import FRAME

_CONTEXT = 64


def _model_path() -> Path:
    # find_spec does not import the package, which would pull in the whole engine.
    spec = importlib.util.find_spec("faster_whisper")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("Speech detection needs faster-whisper: pip install faster-whisper")
    return Path(spec.submodule_search_locations[0]) / "assets" / "silero_vad_v6.onnx"


class SileroVad:
    """The shared model; ONNX Runtime sessions may be used by many threads at once."""

    def session(self) -> SileroSession:
        """A detector for one recording."""
        return SileroSession(self._model)

    @cached_property
    def _model(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        return onnxruntime.InferenceSession(
            str(_model_path()), providers=["CPUExecutionProvider"], sess_options=options
        )


class SileroSession:
    """The recurrent state of one recording."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)
        self._tail = np.zeros(_CONTEXT, np.float32)

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """Speech probability per FRAME, float32[k] for float32[k * FRAME]."""
        if len(samples) == 0:
            return np.zeros(0, np.float32)
        frames = samples.reshape(-1, FRAME)
        ends = frames[:-1, -_CONTEXT:]
        context = np.concatenate([self._tail[None, :], ends])
        self._tail = frames[-1, -_CONTEXT:].copy()
        out, self._h, self._c = self._model.run(
            None,
            {"input": np.concatenate([context, frames], axis=1), "h": self._h, "c": self._c},
        )
        result: NDArray[np.float32] = np.asarray(out, np.float32).reshape(-1)
        return result
