"""Streaming decoder by FFmpeg (PyAV): chunks of bytes to mono 16 kHz float32."""

from __future__ import annotations

from collections.abc import Iterable

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from zhiyin.audio.container import MAGIC, ContainerSound
from zhiyin.audio.mono import Mono
from zhiyin.domain.audio import Samples
from zhiyin.domain.errors import UndecodableAudio
from zhiyin.domain.live import CONTAINERS, AudioFormat, Received
from zhiyin.ports.sound import LiveSound

_CODECS = {
    "s16le": ("pcm_s16le", 2),
    "f32le": ("pcm_f32le", 4),
    "mulaw": ("pcm_mulaw", 1),
    "alaw": ("pcm_alaw", 1),
}
_FILES = {magic: f"Open the stream with encoding '{name}'." for name, magic in MAGIC.items()} | {
    b"RIFF": "Send the samples of a WAV file without its header.",
    b"fLaC": "FLAC can't be streamed here; send raw samples.",
}
_HEAD = 4


class AvLiveDecoder:
    """Implements `ports.sound.LiveDecoder`."""

    def open(self, audio_format: AudioFormat) -> LiveSound:
        """See `ports.sound`."""
        if audio_format.encoding in CONTAINERS:
            return ContainerSound(audio_format.encoding)
        return RawSound(audio_format)


class RawSound:
    """Implements `ports.sound.LiveSound` for samples without a container."""

    def __init__(self, audio_format: AudioFormat) -> None:
        name, self._width = _CODECS[audio_format.encoding]
        codec = av.CodecContext.create(name, "r")
        assert isinstance(codec, AudioCodecContext)
        codec.sample_rate = audio_format.sample_rate
        codec.layout = "mono"
        self._codec = codec
        self._rate = audio_format.sample_rate
        self._mono = Mono("encoding")
        self._head = b""
        self._odd = b""
        self._bytes = 0

    def push(self, data: bytes) -> Samples:
        """See `ports.sound`; an incomplete sample waits for its other bytes."""
        self._check_head(data)
        held = self._odd + data
        whole = len(held) - len(held) % self._width
        self._odd = held[whole:]
        self._bytes += whole
        if not whole:
            return np.zeros(0, np.float32)
        try:
            return self._converted(self._codec.decode(av.Packet(held[:whole])))
        except (av.FFmpegError, ValueError) as error:
            raise UndecodableAudio("The sound could not be decoded.") from error

    def finish(self) -> Samples:
        """See `ports.sound`."""
        return _joined(self._mono.finish())

    @property
    def pending(self) -> bool:
        """See `ports.sound`: all is ready at once, at most two samples for a byte."""
        return False

    @property
    def incomplete_bytes(self) -> int:
        """See `ports.sound`."""
        return len(self._odd)

    @property
    def received(self) -> Received:
        """See `ports.sound`."""
        return Received(self._bytes, self._bytes / (self._width * self._rate))

    def settle(self) -> Received:
        """See `ports.sound`."""
        self._odd, self._head = b"", self._head[: self._bytes]
        return self.received

    def close(self) -> None:
        """Nothing is held."""

    def _converted(self, frames: list[AudioFrame]) -> Samples:
        parts = [part for frame in frames for part in self._mono.convert(frame)]
        return _joined([*parts, *self._mono.flush()])

    def _check_head(self, data: bytes) -> None:
        """The header of a file, in however many pieces it comes."""
        if len(self._head) < _HEAD:
            self._head = (self._head + data)[:_HEAD]
            if self._head in _FILES:
                raise UndecodableAudio(
                    f"These are not raw samples but a file. {_FILES[self._head]}", param="encoding"
                )


def _joined(parts: Iterable[Samples]) -> Samples:
    return np.concatenate([np.zeros(0, np.float32), *parts])
