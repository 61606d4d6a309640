"""Peers that need the weights in a format of their own, made by `bench.convert`.

Both are handed samples, because they want an `ffmpeg` program to read files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.convert import ggml_model, openai_checkpoint
from bench.needs import needed
from bench.peer import PeerSettings

BEAM_SIZE = 5  # what both programs use when called from a shell; their functions take 1


def _samples(path: Path) -> Any:
    """Mono float32 samples at 16 kHz."""
    from faster_whisper.audio import decode_audio

    return decode_audio(str(path))


class OpenaiWhisper:
    """openai-whisper's `transcribe` as its shell command calls it: beam 5, best of 5, fallback.

    float32 on a CPU, float16 elsewhere: it has no int8.
    """

    name = "openai-whisper"

    def __init__(self, settings: PeerSettings) -> None:
        torch, whisper = needed("torch"), needed("whisper")
        torch.set_num_threads(settings.threads)
        checkpoint = openai_checkpoint(settings.model_folder)
        self._half = settings.device != "cpu"
        self._model = whisper.load_model(str(checkpoint), device=settings.device)

    def transcribe(self, path: Path, language: str | None) -> str:
        """The whole text."""
        result = self._model.transcribe(
            _samples(path),
            language=language,
            beam_size=BEAM_SIZE,
            best_of=BEAM_SIZE,
            fp16=self._half,
        )
        return str(result["text"]).strip()


class WhisperCpp:
    """whisper.cpp (pywhispercpp) as its shell command decodes: beam 5, best of 5, fallback.

    float16 weights, on the CPU.
    """

    name = "whisper.cpp"

    def __init__(self, settings: PeerSettings) -> None:
        model = needed("pywhispercpp.model").Model
        self._model = model(
            str(ggml_model(settings.model_folder)),
            params_sampling_strategy=1,
            redirect_whispercpp_logs_to=None,
            n_threads=settings.threads,
            beam_search={"beam_size": BEAM_SIZE, "patience": -1.0},
            greedy={"best_of": BEAM_SIZE},
            print_progress=False,
        )

    def transcribe(self, path: Path, language: str | None) -> str:
        """The whole text; its segments come without the spaces between them."""
        segments = self._model.transcribe(_samples(path), language=language or "")
        return " ".join(s.text for s in segments).strip()
