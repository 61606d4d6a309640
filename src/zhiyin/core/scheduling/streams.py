"""Streams of engines that stream: a live segment is fed as it comes, not decoded anew."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from zhiyin.domain.audio import Samples
from zhiyin.domain.engine import Clip, ClipResult
from zhiyin.domain.errors import EngineFailed
from zhiyin.domain.options import DecodeOptions
from zhiyin.ports.engine import Engine, EngineStream, Streaming


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClip(Clip):
    """A clip for a segment's stream: all samples of the segment; the stream takes what is new."""

    stream: SegmentStream
    last: bool

    def run(self, engine: Engine) -> ClipResult:
        """The words so far. Raises what the engine raises."""
        return self.stream.decode(engine, self)


class SegmentStream:
    """One segment's stream; used from any engine thread, by one at a time.

    It begins anew, with all of the segment, after a failure, on another engine, and when it was
    fed too much or was finished.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._stream: EngineStream | None = None
        self._taken = 0
        self._closed = False

    def decode(self, engine: Engine, clip: StreamClip) -> ClipResult:
        """The words of the segment, on the clock of the clip's samples."""
        with self._lock:
            try:
                return self._decode(engine, clip)
            except BaseException:
                self._end()
                raise
            finally:
                if clip.last or self._closed:
                    self._end()

    def close(self) -> None:
        """End the stream; when it is in use at this moment, the thread that uses it ends it."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._lock.release()

    def _decode(self, engine: Engine, clip: StreamClip) -> ClipResult:
        if self._engine is not engine or self._taken > len(clip.samples):
            self._end()
        if self._stream is None:
            self._stream, self._engine = _open(engine, clip.options), engine
        fresh: Samples = clip.samples[self._taken :]
        self._taken = len(clip.samples)
        result = self._stream.accept(fresh)
        return self._stream.finish() if clip.last else result

    def _end(self) -> None:
        stream, self._stream, self._engine, self._taken = self._stream, None, None, 0
        if stream is not None:
            stream.close()


def _open(engine: Engine, options: DecodeOptions) -> EngineStream:
    if not isinstance(engine, Streaming):
        raise EngineFailed("The engine declares that it streams, but it can't.")
    return engine.open_stream(options)
