"""Sound that arrives piece by piece, as mono 16 kHz float32."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.errors import InvalidRequest, UndecodableAudio
from zhiyin.domain.live import MAX_RATE, MIN_RATE, Encoding

_CODECS = {
    "s16le": ("pcm_s16le", 2),
    "f32le": ("pcm_f32le", 4),
    "mulaw": ("pcm_mulaw", 1),
    "alaw": ("pcm_alaw", 1),
}


_MOST_HELD = 1 << 20  # bytes between the threads
# FFmpeg would else look at seconds of the sound before it gives the first of it.
_AT_ONCE = {"probesize": "4096", "analyzeduration": "0", "fflags": "nobuffer"}


class AvLiveDecoder:
    """Streams by the FFmpeg that PyAV brings."""

    def open(self, encoding: Encoding, sample_rate: int) -> RawSound | ContainerSound:
        """A stream of that encoding. Raises InvalidRequest."""
        if encoding in ("webm", "ogg"):
            return ContainerSound(encoding)
        if not MIN_RATE <= sample_rate <= MAX_RATE:
            raise InvalidRequest(
                f"A sample rate of {sample_rate} Hz is not between {MIN_RATE} and {MAX_RATE}.",
                param="sample_rate",
            )
        return RawSound(encoding, sample_rate)


class RawSound:
    """Implements `ports.sound.LiveSound` for samples without a container."""

    def __init__(self, encoding: Encoding, sample_rate: int) -> None:
        name, self._width = _CODECS[encoding]
        codec = av.CodecContext.create(name, "r")
        assert isinstance(codec, AudioCodecContext)
        codec.sample_rate = sample_rate
        codec.layout = "mono"
        self._codec = codec
        self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        self._odd = b""

    def push(self, data: bytes) -> Samples:
        """See `ports.sound`; an incomplete sample waits for its other bytes."""
        held = self._odd + data
        whole = len(held) - len(held) % self._width
        self._odd = held[whole:]
        if not whole:
            return np.zeros(0, np.float32)
        try:
            frames = self._codec.decode(av.Packet(held[:whole]))
            return _joined(part for f in frames for part in self._resampler.resample(f))
        except av.FFmpegError as error:
            raise UndecodableAudio("The sound could not be decoded.") from error

    def finish(self) -> Samples:
        """See `ports.sound`."""
        return _joined(self._resampler.resample(None))

    def close(self) -> None:
        """Nothing is held."""


class Pipe:
    """Bytes from one thread to another: `write` waits while too many are held."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._ended = False
        self._turn = threading.Condition()

    def write(self, data: bytes) -> None:
        """Add bytes; lost when nobody reads any more."""
        with self._turn:
            self._turn.wait_for(lambda: self._ended or len(self._held) < _MOST_HELD)
            self._held += data
            self._turn.notify_all()

    def end(self) -> None:
        """Nothing more comes."""
        with self._turn:
            self._ended = True
            self._turn.notify_all()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there is one; none at the end."""
        with self._turn:
            self._turn.wait_for(lambda: self._ended or self._held)
            data = bytes(self._held[:size])
            del self._held[:size]
            self._turn.notify_all()
            return data


class ContainerSound:
    """Implements `ports.sound.LiveSound` for what a browser's MediaRecorder writes."""

    def __init__(self, encoding: Encoding) -> None:
        self._format = {"webm": "matroska", "ogg": "ogg"}[encoding]
        self._pipe = Pipe()
        self._ready: list[Samples] = []
        self._failed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="zhiyin-sound", daemon=True)
        self._thread.start()

    def push(self, data: bytes) -> Samples:
        """See `ports.sound`."""
        self._pipe.write(data)
        return self._taken()

    def finish(self) -> Samples:
        """See `ports.sound`."""
        self._pipe.end()
        self._thread.join()
        return self._taken()

    def close(self) -> None:
        """See `ports.sound`."""
        self._pipe.end()

    def _taken(self) -> Samples:
        with self._lock:
            parts, self._ready = self._ready, []
            failed = self._failed
        if failed and not parts:
            raise UndecodableAudio(f"The sound is not {self._format} audio that can be decoded.")
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _run(self) -> None:
        try:
            self._decode()
        except (av.FFmpegError, OSError, ValueError, IndexError):
            with self._lock:
                self._failed = True
        self._pipe.end()

    def _decode(self) -> None:
        resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        with av.open(
            self._pipe, mode="r", format=self._format, options=_AT_ONCE, buffer_size=4096
        ) as file:
            for frame in file.decode(audio=0):
                self._give(_joined(resampler.resample(frame)))
        self._give(_joined(resampler.resample(None)))

    def _give(self, samples: Samples) -> None:
        with self._lock:
            self._ready.append(samples)


def _joined(frames: Iterable[AudioFrame]) -> Samples:
    parts = [frame.to_ndarray().reshape(-1) for frame in frames]
    if not parts:
        return np.zeros(0, np.float32)
    samples = np.nan_to_num(np.concatenate(parts).astype(np.float32))
    return np.clip(samples, -1.0, 1.0)
