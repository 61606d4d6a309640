"""Transcripts and requests as bytes that outlive the process, and back. JSON in UTF-8."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from zhiyin.domain.audio import Notice
from zhiyin.domain.options import DecodeOptions, TextOptions, TranscribeOptions
from zhiyin.domain.transcript import DecodingStats, Segment, Transcript, Word


def dump_transcript(transcript: Transcript) -> bytes:
    """All of it."""
    return _dump(asdict(transcript))


def load_transcript(data: bytes) -> Transcript:
    """What `dump_transcript` wrote."""
    body = json.loads(data)
    body["segments"] = tuple(_segment(s) for s in body["segments"])
    body["notices"] = tuple(Notice(**n) for n in body["notices"])
    return Transcript(**body)


def _segment(body: dict[str, Any]) -> Segment:
    words = tuple(Word(**w) for w in body.pop("words"))
    stats = body.pop("stats")
    stats["tokens"] = tuple(stats["tokens"])
    return Segment(**body, words=words, stats=DecodingStats(**stats))


def dump_options(options: TranscribeOptions) -> bytes:
    """All of them, in one order: equal options give equal bytes."""
    body = asdict(options)
    if options.text == TextOptions():  # as before there were any: equal requests stay equal
        del body["text"]
    return _dump(body)


def load_options(data: bytes) -> TranscribeOptions:
    """What `dump_options` wrote."""
    body = json.loads(data)
    text = TextOptions(**body.get("text", {}))
    return TranscribeOptions(**body | {"decode": DecodeOptions(**body["decode"]), "text": text})


def _dump(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
