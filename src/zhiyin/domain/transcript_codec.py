"""A transcript as bytes, to be kept, and back: JSON, for the cache compressed."""

from __future__ import annotations

import json
import zlib
from typing import Any

from zhiyin.domain.audio import Notice
from zhiyin.domain.json_object import from_object, to_json, to_object
from zhiyin.domain.transcript import DecodingStats, Segment, Transcript, Word

MAX_BYTES = 64 << 20
"""Longest JSON that is inflated: two hours of words take about two MiB."""

_LEVEL = 1  # zlib; 6 makes it a tenth smaller in three times the time
_HEADER = b"zyT2"


def dump_transcript(transcript: Transcript) -> bytes:
    """All of it as JSON in UTF-8. Raises ValueError for half a surrogate pair."""
    return _json(transcript).encode()


def load_transcript(data: bytes) -> Transcript:
    """What this or an older version of `dump_transcript` wrote. Raises ValueError."""
    try:
        body = json.loads(data)
        segments = tuple(_segment_of(s) for s in body["segments"])
        notices = tuple(from_object(Notice, n) for n in body.get("notices", ()))
        return from_object(Transcript, body, segments=segments, notices=notices)
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("This transcript is damaged.") from error


def pack(transcript: Transcript) -> bytes:
    """The same compressed; equal transcripts give equal bytes. Whatever the text, it is kept."""
    return _HEADER + zlib.compress(_json(transcript).encode("utf-8", "surrogatepass"), _LEVEL)


def unpack(value: bytes) -> Transcript:
    """The transcript that was packed.

    Raises ValueError for bytes that are damaged, or were packed in another form.
    """
    if not value.startswith(_HEADER):
        raise ValueError("These bytes are not a transcript of this version.")
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(value[len(_HEADER) :], MAX_BYTES)
    except zlib.error as error:
        raise ValueError("This transcript is damaged.") from error
    if not inflater.eof or inflater.unused_data:
        raise ValueError("This transcript is cut short, or too long.")
    return load_transcript(data)


def _json(transcript: Transcript) -> str:
    body = to_object(transcript)
    body["segments"] = [_segment(s) for s in transcript.segments]
    body["notices"] = [to_object(n) for n in transcript.notices]
    return to_json(body)


def _segment(segment: Segment) -> dict[str, Any]:
    body = to_object(segment)
    body["words"] = [to_object(w) for w in segment.words]
    body["stats"] = to_object(segment.stats)
    return body


def _segment_of(body: dict[str, Any]) -> Segment:
    words = tuple(from_object(Word, w) for w in body.get("words", ()))
    stats = body.get("stats", {})
    tokens = tuple(stats.get("tokens", ()))
    return from_object(
        Segment, body, words=words, stats=from_object(DecodingStats, stats, tokens=tokens)
    )
