"""Silero VAD v6 (https://github.com/snakers4/silero-vad) on ONNX Runtime, as a stream.

The ONNX file comes with the faster-whisper package; the state (h, c and the last 64 samples)
is carried from call to call, so that a recording of any length needs a block of memory only.

The model knows sound of common loudness and full bandwidth. It loses some of quiet speech, and more
of telephone speech (nothing above 4 kHz) that is quiet or was cut off to 16 bits; `bench.detection`
has the figures. Two things before it help: the loudness is evened out, and the missing upper half
of the spectrum is made from the lower by rectification (Makhoul and Berouti, "High-frequency
regeneration in speech coding systems", ICASSP 1979).
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

# The loudest of the last seconds is brought to LOUD (RMS of a frame, full scale is 1), by a factor
# of LOUD / QUIET at most. How loud it was is forgotten by half in HALF_LIFE frames (10 s).
_LOUD = 0.1
_QUIET = 0.003
_HALF_LIFE = 312
_RECTIFIED = 0.4


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
    """The state of one recording: the model's, and how loud it has been."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)
        self._tail = np.zeros(_CONTEXT, np.float32)
        self._level = float(np.log2(_QUIET))

    def probabilities(self, samples: Samples) -> NDArray[np.float32]:
        """Speech probability per FRAME, float32[k] for float32[k * FRAME]."""
        if len(samples) == 0:
            return np.zeros(0, np.float32)
        frames = samples.reshape(-1, FRAME)
        ends = frames[:-1, -_CONTEXT:]
        context = np.concatenate([self._tail[None, :], ends])
        self._tail = frames[-1, -_CONTEXT:].copy()
        input_ = _regenerated(np.concatenate([context, frames], axis=1)) * self._gains(frames)
        out, self._h, self._c = self._model.run(None, {"input": input_, "h": self._h, "c": self._c})
        result: NDArray[np.float32] = np.asarray(out, np.float32).reshape(-1)
        return result

    def _gains(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[k, 1]: what brings the loudest so far to LOUD. Peaks count at once."""
        power = np.mean(np.square(frames), axis=1) + 1e-12
        forgotten = np.arange(1, len(frames) + 1) / _HALF_LIFE
        peaks = np.maximum.accumulate(np.log2(power) / 2 + forgotten)
        levels = np.maximum(np.maximum(peaks, self._level) - forgotten, np.log2(_QUIET))
        self._level = float(levels[-1])
        gains: NDArray[np.float32] = (_LOUD / np.exp2(levels))[:, None].astype(np.float32)
        return gains


def _regenerated(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32[k, n] with the overtones of its rectified form, whose slope favours the high ones."""
    rectified = _RECTIFIED * np.abs(sound)
    return np.add(sound, np.diff(rectified, axis=1, prepend=rectified[:, :1]), dtype=np.float32)
