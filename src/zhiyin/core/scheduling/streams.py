"""Live recognition over engines that stream: sound is handed on as it comes, not decoded anew."""

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
    """Work on a segment by its stream. Its samples are all of it; the stream takes what is new."""

    stream: SegmentStream
    last: bool

    def run(self, engine: Engine) -> ClipResult:
        """What is said so far. Raises what the engine raises."""
        return self.stream.hear(engine, self)


class SegmentStream:
    """One segment's stream; used from any engine thread, by one at a time.

    It begins anew, with all of the segment, after a failure, on another engine, and when it has
    heard too much or its last already.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._stream: EngineStream | None = None
        self._taken = 0
        self._closed = False

    def hear(self, engine: Engine, feed: StreamClip) -> ClipResult:
        """The words of the segment, on the clock of the feed's samples."""
        with self._lock:
            try:
                return self._hear(engine, feed)
            except BaseException:
                self._end()
                raise
            finally:
                if feed.last or self._closed:
                    self._end()

    def close(self) -> None:
        """End the stream; when it is in use at this moment, whoever uses it ends it."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._lock.release()

    def _hear(self, engine: Engine, feed: StreamClip) -> ClipResult:
        if self._engine is not engine or self._taken > len(feed.samples):
            self._end()
        if self._stream is None:
            self._stream, self._engine = _opened(engine, feed.options), engine
        fresh: Samples = feed.samples[self._taken :]
        self._taken = len(feed.samples)
        heard = self._stream.accept(fresh)
        return self._stream.finish() if feed.last else heard

    def _end(self) -> None:
        stream, self._stream, self._engine, self._taken = self._stream, None, None, 0
        if stream is not None:
            stream.close()


def _opened(engine: Engine, options: DecodeOptions) -> EngineStream:
    if not isinstance(engine, Streaming):
        raise EngineFailed("The engine says that it streams, but it can't.")
    return engine.open_stream(options)
