"""Decoder port by decoder processes: each recording has one from `open` to `close`."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from zhiyin.audio.isolation import protocol as p
from zhiyin.audio.isolation.processes import DecoderProcess, DecoderProcesses
from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits, Notice, Samples
from zhiyin.domain.source import AudioSource
from zhiyin.ports.decoder import StopSignal

_AHEAD = 2
"""Blocks that a process may decode before they are asked for."""

_PATIENCE_S = 0.25
"""For a block, before another recording may have the thread."""


class ProcessDecoder:
    """Implements `ports.decoder.Decoder`."""

    def __init__(self, processes: DecoderProcesses) -> None:
        self._processes = processes

    def open(
        self,
        source: AudioSource,
        limits: AudioLimits,
        track: int | None = None,
        stop: StopSignal | None = None,
    ) -> ProcessRecording:
        """See the port; Overloaded and Unavailable as well."""
        process = self._processes.start("file")
        try:
            if stop is not None:
                stop.call(process.kill)
            _hand_over(process, source, limits, track)
            duration = p.load_duration(process.answer(p.OPENED)[1])
            return ProcessRecording(process, limits, duration)
        except p.Violation as error:
            process.close()
            raise process.failed() from error
        except BaseException:
            process.close()
            raise


class ProcessRecording:
    """Implements `ports.decoder.DecodedAudio`."""

    def __init__(
        self, process: DecoderProcess, limits: AudioLimits, duration: float | None
    ) -> None:
        self._process = process
        self._left = int((limits.max_seconds + 1) * SAMPLE_RATE) + p.MAX_BLOCK
        self.duration = duration
        self.notices: list[Notice] = []

    def blocks(self) -> Iterator[Samples]:
        """See the port."""
        self._process.ask(*[(p.NEXT, b"")] * _AHEAD)
        try:
            while True:
                yield from self._pauses()
                kind, body = self._process.answer(p.BLOCK, p.END)
                if kind == p.END:
                    self.notices = p.load_notices(body)
                    return
                samples = p.load_samples(body)
                self._left -= len(samples)
                if not len(samples) or self._left < 0:  # a sane process counts by itself
                    raise p.Violation("length")
                self._process.ask((p.NEXT, b""))
                yield samples
        except p.Violation as error:
            raise self._process.failed() from error

    def _pauses(self) -> Iterator[Samples]:
        """Empty blocks while nothing comes."""
        end = time.monotonic() + self._process.stall_s
        while not self._process.ready(_PATIENCE_S):
            if time.monotonic() > end:
                raise self._process.stalled()
            yield np.zeros(0, np.float32)

    def close(self) -> None:
        """See the port."""
        self._process.close()


def _hand_over(
    process: DecoderProcess, source: AudioSource, limits: AudioLimits, track: int | None
) -> None:
    request = {"max_seconds": limits.max_seconds, "size": source.size, "track": track}
    message = (p.FILE, json.dumps(request).encode())
    if source.size <= p.MAX_INLINE_BYTES:
        source.stream.seek(0)
        process.ask(message, (p.BYTES, source.stream.read(source.size)))
    else:
        with _lent(source) as descriptor:
            process.ask(message, descriptor=descriptor)


@contextmanager
def _lent(source: AudioSource) -> Iterator[int]:
    """A descriptor of the recording's file, read-only where the system can; or of a copy."""
    try:
        source.stream.flush()
        held = source.stream.fileno()
    except (AttributeError, io.UnsupportedOperation):
        with tempfile.TemporaryFile() as copy:
            source.stream.seek(0)
            shutil.copyfileobj(source.stream, copy)
            copy.flush()
            yield copy.fileno()
        return
    try:
        descriptor = os.open(f"/proc/self/fd/{held}", os.O_RDONLY)
    except OSError:
        descriptor = os.dup(held)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
