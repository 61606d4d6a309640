"""Resampling: frames of any rate and layout, as mono 16 kHz float32."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from zhiyin.audio.downmix import Downmix
from zhiyin.audio.formats import refused
from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.errors import UndecodableAudio

_MAX_CHANGES = 200
"""A resampler takes some milliseconds to make, and a frame may have ten bytes."""


_BATCH_S = 0.25
"""Frames are gathered up to so much: each call costs as much as a thousand samples."""


class Mono:
    """Resamples a stream whose shape may change on the way, a quarter of a second at a time.

    `param` names the request's parameter in errors. What PyAV raises comes through.
    """

    def __init__(self, param: str) -> None:
        self._param = param
        self._shape: tuple[Any, ...] = ()
        self._changes = 0
        self._downmix = Downmix()
        self._held = AudioFifo()
        self._batch = 1
        self._format = AudioResampler(format="flt")
        self._rate = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)

    def seconds(self, frame: AudioFrame) -> float:
        """Its length. Raises UndecodableAudio for a rate or layout that is not read."""
        if problem := refused(frame):
            raise UndecodableAudio(f"The sound track {problem}", param=self._param)
        return frame.samples / frame.sample_rate

    def convert(self, frame: AudioFrame) -> Iterator[Samples]:
        """The samples that are ready, bounded each; others come later, at the latest by `flush`.

        Raises UndecodableAudio as `seconds` does, and when the shape changes too often.
        """
        self.seconds(frame)
        shape = (frame.sample_rate, frame.layout.name, frame.format.name)
        if shape != self._shape:
            yield from self.finish()
            self._begin(shape)
        frame.pts = None
        self._held.write(frame)
        yield from self._converted(self._batch)

    def flush(self) -> Iterator[Samples]:
        """What was gathered so far, but for a millisecond in the resampler."""
        yield from self._converted(self._batch)
        if self._shape and self._held.samples:
            yield from self._converted(self._held.samples)

    def finish(self) -> Iterator[Samples]:
        """The rest."""
        if self._shape:
            yield from self.flush()
            yield from _samples(self._rate.resample(None))

    def _converted(self, size: int) -> Iterator[Samples]:
        """As many batches of that size as there are."""
        while self._shape and (batch := self._held.read(size)) is not None:
            # Into one plane first: PyAV reads beyond the planes of more than 7 channels.
            for packed in self._format.resample(batch):
                yield from _samples(self._rate.resample(self._downmix.mixed(packed)))

    def _begin(self, shape: tuple[Any, ...]) -> None:
        self._changes += 1
        if self._changes > _MAX_CHANGES:
            raise UndecodableAudio(
                "The sound track changes its sample rate or its channels too often.",
                param=self._param,
            )
        self._shape = shape
        self._held = AudioFifo()
        self._batch = round(shape[0] * _BATCH_S)
        self._format = AudioResampler(format="flt")
        self._rate = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)


def _samples(frames: Iterable[AudioFrame]) -> Iterator[Samples]:
    for frame in frames:
        samples = frame.to_ndarray().reshape(-1)
        yield np.clip(samples.astype(np.float32, copy=False), -1.0, 1.0)
