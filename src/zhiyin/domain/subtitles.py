"""Subtitle files: SRT (SubRip) and WebVTT output. Pure.

SubRip: https://www.matroska.org/technical/subtitles.html#srt-subtitles
WebVTT: https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

from collections.abc import Iterable

from zhiyin.domain.transcript import Segment


def to_srt(segments: Iterable[Segment]) -> str:
    """A SubRip file."""
    blocks = (f"{i}\n{_span(s, ',')}\n{_line(s.shown)}\n" for i, s in enumerate(segments, start=1))
    return "\n".join(blocks)


def to_vtt(segments: Iterable[Segment]) -> str:
    """A WebVTT file; text is escaped, so that it can't be read as markup or a cue time."""
    blocks = (f"{_span(s, '.')}\n{_escaped(_line(s.shown))}\n" for s in segments)
    return "\n".join(["WEBVTT\n", *blocks])


def _span(segment: Segment, mark: str) -> str:
    return f"{_time(segment.start, mark)} --> {_time(max(segment.end, segment.start), mark)}"


def _time(seconds: float, mark: str) -> str:
    milliseconds = round(max(0.0, seconds) * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _line(text: str) -> str:
    # A blank line would end the block.
    return " ".join(text.split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
