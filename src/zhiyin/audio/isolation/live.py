"""Live decoder by decoder processes: a stream in a container has one of its own.

Raw samples are no container: nothing in them is parsed, and they stay in the server.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np

from zhiyin.audio.isolation import protocol as p
from zhiyin.audio.isolation.processes import DecoderProcess, DecoderProcesses
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.live import CONTAINERS, AudioFormat, Received
from zhiyin.ports.sound import LiveSound

_STALL_S = 10.0
"""A push takes milliseconds, and other speakers wait for the thread."""

_MAX_SAMPLES = 100 * SAMPLE_RATE
"""Of one call; a sane decoder gives fewer, and says that more are pending."""


class ProcessLiveDecoder:
    """Implements `ports.sound.LiveDecoder`."""

    def __init__(self, processes: DecoderProcesses) -> None:
        self._processes = processes
        self._own = AvLiveDecoder()

    def open(self, audio_format: AudioFormat) -> LiveSound:
        """See the port; Overloaded and Unavailable as well."""
        if audio_format.encoding not in CONTAINERS:
            return self._own.open(audio_format)
        process = self._processes.start("encoding", _STALL_S)
        try:
            process.ask((p.LIVE, json.dumps(asdict(audio_format)).encode()))
        except BaseException:
            process.close()
            raise
        return ProcessSound(process)


class ProcessSound:
    """Implements `ports.sound.LiveSound`."""

    def __init__(self, process: DecoderProcess) -> None:
        self._process = process
        self._bytes = 0
        self._samples = 0
        self._pending = False

    def push(self, data: bytes) -> Samples:
        """See the port."""
        self._bytes += len(data)
        parts = [
            self._ask(p.PUSH, data[at : at + p.MAX_INLINE_BYTES])
            for at in range(0, max(1, len(data)), p.MAX_INLINE_BYTES)
        ]
        return np.concatenate(parts)

    def finish(self) -> Samples:
        """See the port."""
        return self._ask(p.FINISH, b"")

    @property
    def pending(self) -> bool:
        """See the port."""
        return self._pending

    @property
    def incomplete_bytes(self) -> int:
        """See the port: a container has no samples that could be cut."""
        return 0

    @property
    def received(self) -> Received:
        """See the port."""
        return Received(self._bytes, self._samples / SAMPLE_RATE)

    def settle(self) -> Received:
        """See the port."""
        return self.received

    def close(self) -> None:
        """See the port."""
        self._pending = False
        self._process.close()

    def _ask(self, kind: bytes, data: bytes) -> Samples:
        self._process.ask((kind, data))
        parts: list[Samples] = []
        count = 0
        try:
            while True:
                kind, body = self._process.answer(p.BLOCK, p.END)
                if kind == p.END:
                    self._pending = body == p.MORE
                    break
                parts.append(p.load_samples(body))
                count += len(parts[-1])
                if count > _MAX_SAMPLES:
                    raise p.Violation("length")
        except p.Violation as error:
            raise self._process.failed() from error
        self._samples += count
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)
