"""WebM and Ogg while they are being recorded, as a browser's MediaRecorder sends them.

FFmpeg pulls where a socket pushes, so each stream has a thread of its own that demuxes; it works
only inside `push`, and what a call brought is decoded when the call returns.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from zhiyin.audio.formats import AV_ERRORS, open_container, select, sound_tracks
from zhiyin.audio.handover import Handover
from zhiyin.audio.mono import Mono
from zhiyin.audio.packets import acceptable
from zhiyin.audio.timeline import Timeline, silence
from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.errors import UndecodableAudio
from zhiyin.domain.live import Encoding, Received

MAGIC: dict[Encoding, bytes] = {"webm": b"\x1a\x45\xdf\xa3", "ogg": b"OggS"}
_DEMUXERS = {"webm": "matroska", "ogg": "ogg"}
# Without these FFmpeg would gather up to 5 MB before it knows what the stream is.
_OPTIONS = {"probesize": "32", "analyzeduration": "0"}
_MAX_DAMAGED_PACKETS = 1000
_MAX_STEP = 10 * SAMPLE_RATE
"""Samples that wait to be taken; a kilobyte may hold hours of silence."""
_LONGEST_GAP_S = 600.0
_MAX_HEAD = 64 << 10
"""Bytes before the first packet. FFmpeg compares each tag with all before it."""

_PAGE = re.compile(rb"OggS\0(.)", re.DOTALL)
_BEGINS = 2  # flag of a page: the first of a stream


class _Stream:
    """What the demuxer reads: one stream with a short head, for tags take quadratic time."""

    def __init__(self, pipe: Handover) -> None:
        self._pipe = pipe
        self._head = 0
        self._tail = b""
        self._begun = False
        self.opened = False

    def read(self, size: int) -> bytes:
        """See `Handover.read`. Raises ValueError for a long head, or a second one."""
        data = self._pipe.read(size)
        if not self.opened:
            self._head += len(data)
            if self._head > _MAX_HEAD:
                raise ValueError(f"the head is longer than {_MAX_HEAD} bytes")
        for page in _PAGE.finditer(self._tail + data):
            if not page[1][0] & _BEGINS:
                self._begun = True
            elif self._begun:
                raise ValueError("another stream begins")
        self._tail = (self._tail + data)[-5:]
        return data


class ContainerSound:
    """Implements `ports.sound.LiveSound`; only the first sound track counts."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._mono = Mono("encoding")
        self._pipe = Handover(_MAX_STEP, lambda: self._put(self._mono.flush()))
        self._head = b""
        self._bytes = 0
        self._samples = 0
        self._damaged = 0
        self._error: BaseException | None = None
        self._ended = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="zhiyin-demuxer", daemon=True)
        self._thread.start()

    def push(self, data: bytes) -> Samples:
        """See `ports.sound`."""
        self._check_head(data)
        self._bytes += len(data)
        sound = self._pipe.exchange(data)
        if self._pipe.left and (self._error is not None or not self._ended):
            raise self._broken()
        return self._counted(sound)

    def finish(self) -> Samples:
        """See `ports.sound`."""
        self._ended = True
        self._pipe.end()
        sound = self._pipe.exchange(b"")
        if self._error is not None and self._bytes:
            raise self._broken()
        return self._counted(sound)

    @property
    def pending(self) -> bool:
        """See `ports.sound`."""
        return self._pipe.pending

    @property
    def incomplete_bytes(self) -> int:
        """See `ports.sound`: a container has no samples that could be cut."""
        return 0

    @property
    def received(self) -> Received:
        """See `ports.sound`."""
        return Received(self._bytes, self._samples / SAMPLE_RATE)

    def settle(self) -> Received:
        """See `ports.sound`."""
        return self.received

    def close(self) -> None:
        """See `ports.sound`; the thread ends by itself after the packet it is at."""
        self._closed = True
        self._pipe.end(discard=True)

    def _check_head(self, data: bytes) -> None:
        """FFmpeg would look for the start of an Ogg page through 64 KiB of anything."""
        magic = MAGIC[self._encoding]
        if len(self._head) < len(magic):
            self._head = (self._head + data)[: len(magic)]
            if not magic.startswith(self._head):
                raise self._broken()

    def _broken(self) -> UndecodableAudio:
        if isinstance(self._error, UndecodableAudio):
            return self._error
        error = UndecodableAudio(
            f"These bytes don't continue a {self._encoding} stream with sound.", param="encoding"
        )
        error.__cause__ = self._error
        return error

    def _counted(self, parts: list[Samples]) -> Samples:
        joined = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        self._samples += len(joined)
        return joined

    # On the thread.

    def _run(self) -> None:
        try:
            self._decode()
        except (UndecodableAudio, *AV_ERRORS) as error:
            self._error = error
        finally:
            self._pipe.leave()

    def _decode(self) -> None:
        mono = self._mono
        demuxer = _DEMUXERS[self._encoding]
        stream = _Stream(self._pipe)
        with open_container(stream, demuxer=demuxer, **_OPTIONS) as container:
            stream.opened = True
            tracks = sound_tracks(container)
            if not tracks:
                raise ValueError("no sound track")
            select(container, tracks[:1])
            timeline = Timeline(None, _LONGEST_GAP_S)
            for frame in self._frames(container, tracks[0]):
                # Browsers may send nothing while nobody speaks.
                gap = timeline.gap(frame, mono.seconds(frame))
                if gap:
                    self._put(mono.flush())
                    self._put(silence(gap))
                self._put(mono.convert(frame))
        self._put(mono.finish())

    def _put(self, parts: Iterable[Samples]) -> None:
        for samples in parts:
            self._pipe.put(samples)

    def _frames(self, container: InputContainer, track: AudioStream) -> Iterator[AudioFrame]:
        for packet in container.demux(track):
            if self._closed:
                return
            try:
                if not acceptable(packet, track.codec_context.name):
                    raise ValueError("a packet that is too large")
                yield from packet.decode()
            except EOFError:
                return
            except (av.FFmpegError, ValueError):
                self._damaged += 1
                if self._damaged > _MAX_DAMAGED_PACKETS:
                    raise
