"""Sound that arrives piece by piece, as mono 16 kHz float32."""

from __future__ import annotations

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


class AvLiveDecoder:
    """Streams by the FFmpeg that PyAV brings."""

    def open(self, encoding: Encoding, sample_rate: int) -> RawSound:
        """A stream of raw mono samples. Raises InvalidRequest."""
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


def _joined(frames: Iterable[AudioFrame]) -> Samples:
    parts = [frame.to_ndarray().reshape(-1) for frame in frames]
    if not parts:
        return np.zeros(0, np.float32)
    samples = np.nan_to_num(np.concatenate(parts).astype(np.float32))
    return np.clip(samples, -1.0, 1.0)
