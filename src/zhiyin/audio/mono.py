"""Resampling: frames of any rate and layout, as mono 16 kHz float32."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from zhiyin.audio.downmix import Downmix
from zhiyin.audio.formats import refused
from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.errors import UndecodableAudio

_MAX_CHANGES = 200
"""A resampler takes some milliseconds to make, and a frame may have ten bytes."""


class Mono:
    """Resamples a stream whose shape may change on the way, a second at a time.

    `param` names the request's parameter in errors. What PyAV raises comes through.
    """

    def __init__(self, param: str) -> None:
        self._param = param
        self._shape: tuple[Any, ...] = ()
        self._changes = 0
        self._downmix = Downmix()
        self._format = AudioResampler(format="flt")
        self._rate = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)

    def seconds(self, frame: AudioFrame) -> float:
        """Its length. Raises UndecodableAudio for a rate or layout that is not read."""
        if problem := refused(frame):
            raise UndecodableAudio(f"The sound track {problem}", param=self._param)
        return frame.samples / frame.sample_rate

    def convert(self, frame: AudioFrame) -> Iterator[Samples]:
        """The samples that are ready, at most a second of them at once; others come later.

        Raises UndecodableAudio as `seconds` does, and when the shape changes too often.
        """
        self.seconds(frame)
        shape = (frame.sample_rate, frame.layout.name, frame.format.name)
        if shape != self._shape:
            yield from self.finish()
            self._begin(shape)
        frame.pts = None
        # Into one plane first: PyAV reads beyond the planes of more than 7 channels.
        for packed in self._format.resample(frame):
            for part in self._downmix.mixed(packed):
                yield from _samples(self._rate.resample(part))

    def finish(self) -> Iterator[Samples]:
        """The rest."""
        if self._shape:
            yield from _samples(self._rate.resample(None))

    def _begin(self, shape: tuple[Any, ...]) -> None:
        self._changes += 1
        if self._changes > _MAX_CHANGES:
            raise UndecodableAudio(
                "The sound track changes its sample rate or its channels too often.",
                param=self._param,
            )
        self._shape = shape
        self._format = AudioResampler(format="flt")
        self._rate = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)


def _samples(frames: Iterable[AudioFrame]) -> Iterator[Samples]:
    for frame in frames:
        samples = frame.to_ndarray().reshape(-1)
        yield np.clip(samples.astype(np.float32, copy=False), -1.0, 1.0)
