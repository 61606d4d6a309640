"""A transcript as bytes, to be kept, and back. Compact: lists without names, compressed."""

from __future__ import annotations

import json
import zlib
from dataclasses import fields
from itertools import starmap
from typing import Any

from zhiyin.domain.audio import Notice
from zhiyin.domain.transcript import DecodingStats, Segment, Transcript, Word

MAX_BYTES = 64 << 20
"""Longest JSON that is read: two hours of words take about one MiB."""

_LEVEL = 1  # zlib; 6 makes it a tenth smaller in three times the time
_SHAPE = ",".join(f.name for kind in (Transcript, Segment, DecodingStats, Word, Notice)
                  for f in fields(kind))  # fmt: skip
# A field that comes or goes makes all older values strange, without anybody thinking of it.
_HEADER = b"zyT1" + zlib.crc32(_SHAPE.encode()).to_bytes(4, "big")


def pack(transcript: Transcript) -> bytes:
    """The bytes of a transcript; the same transcript gives the same bytes."""
    told = transcript
    body = [
        [_segment(s) for s in told.segments],
        told.language, told.language_probability, told.duration, told.engine, told.model,
        told.task, [[n.code, n.message] for n in told.notices],
    ]  # fmt: skip
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return _HEADER + zlib.compress(text.encode("utf-8", "surrogatepass"), _LEVEL)


def unpack(value: bytes) -> Transcript:
    """The transcript that was packed.

    Raises ValueError for bytes that are damaged, or were packed by another version.
    """
    if not value.startswith(_HEADER):
        raise ValueError("These bytes are not a transcript of this version.")
    try:
        segments, language, probability, duration, engine, model, task, notices = _read(value)
        return Transcript(
            tuple(_segment_of(*s) for s in segments), language, probability, duration, engine,
            model, task, tuple(starmap(Notice, notices)),
        )  # fmt: skip
    except (TypeError, zlib.error, RecursionError) as error:
        raise ValueError("This transcript is damaged.") from error


def _segment(s: Segment) -> list[Any]:
    words = [(w.text, w.start, w.end, w.confidence) for w in s.words]
    t = s.stats
    stats = (t.tokens, t.temperature, t.avg_logprob, t.compression_ratio, t.no_speech_prob)
    return [s.text, s.start, s.end, s.confidence, words, s.speaker, stats, s.display]


def _segment_of(
    text: str,
    start: float,
    end: float,
    confidence: float,
    words: Any,
    speaker: Any,
    stats: Any,
    display: str,
) -> Segment:
    tokens, *rest = stats
    return Segment(
        text, start, end, confidence, tuple(starmap(Word, words)), speaker,
        DecodingStats(tuple(tokens), *rest), display,
    )  # fmt: skip


def _read(value: bytes) -> Any:
    inflater = zlib.decompressobj()
    text = inflater.decompress(value[len(_HEADER) :], MAX_BYTES)
    if not inflater.eof or inflater.unused_data:
        raise ValueError("This transcript is cut short, or too long.")
    return json.loads(text.decode("utf-8", "surrogatepass"))
