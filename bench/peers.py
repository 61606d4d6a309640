"""Peers that zhiyin is compared with.

A further peer is a class with the members of `Peer` and a line in `PEERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bench.converted import OpenaiWhisper, WhisperCpp
from bench.peer import Peer, PeerSettings


class FasterWhisper:
    """`WhisperModel.transcribe` with its defaults: beam 5, temperature fallback, no VAD."""

    name = "faster-whisper"
    beam_size = 5

    def __init__(self, settings: PeerSettings) -> None:
        from faster_whisper import WhisperModel  # only here: other peers don't need it

        self._model = WhisperModel(
            str(settings.model_folder),
            device=settings.device,
            compute_type=settings.compute_type,
            cpu_threads=settings.threads,
        )

    def transcribe(self, path: Path, language: str | None) -> str:
        """The whole text; segments carry their own leading spaces."""
        segments, _ = self._model.transcribe(str(path), language=language, beam_size=self.beam_size)
        return "".join(s.text for s in list(segments)).strip()


class FasterWhisperBeam1(FasterWhisper):
    """The same call with beam 1, otherwise its defaults."""

    name = "faster-whisper-beam1"
    beam_size = 1


class FasterWhisperBatched(FasterWhisper):
    """`BatchedInferencePipeline.transcribe` in batches of 8, otherwise its defaults: own VAD."""

    name = "faster-whisper-batched"
    batch_size = 8

    def __init__(self, settings: PeerSettings) -> None:
        from faster_whisper import BatchedInferencePipeline

        super().__init__(settings)
        self._pipeline = BatchedInferencePipeline(model=self._model)

    def transcribe(self, path: Path, language: str | None) -> str:
        """The whole text of all batches."""
        segments, _ = self._pipeline.transcribe(
            str(path), language=language, batch_size=self.batch_size
        )
        return "".join(s.text for s in list(segments)).strip()


PEERS: Mapping[str, Callable[[PeerSettings], Peer]] = {
    kind.name: kind
    for kind in (
        FasterWhisper,
        FasterWhisperBeam1,
        FasterWhisperBatched,
        OpenaiWhisper,
        WhisperCpp,
    )
}
