"""The streams of a live session's segments, for engines that stream."""

from __future__ import annotations

from zhiyin.core.live.utterance import DecodeRequest
from zhiyin.core.scheduling.streams import SegmentStream, StreamClip
from zhiyin.domain.options import DecodeOptions

_KEPT = 3  # segments; of older ones nothing is asked any more, or they are decoded anew


class SegmentStreams:
    """Those of a session, by segment."""

    def __init__(self) -> None:
        self._by_segment: dict[int, SegmentStream] = {}

    def feed(self, work: DecodeRequest, options: DecodeOptions) -> StreamClip:
        """The work as a clip for the scheduler."""
        old = [s for s in self._by_segment if s <= work.segment_id - _KEPT]
        for segment in old:
            self._by_segment.pop(segment).close()
        stream = self._by_segment.setdefault(work.segment_id, SegmentStream())
        return StreamClip(
            work.samples, options, work.speech, stream=stream, last=work.kind == "final"
        )

    def close(self) -> None:
        """End all streams."""
        for stream in self._by_segment.values():
            stream.close()
        self._by_segment.clear()
