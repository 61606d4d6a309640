"""The only place that knows the wire form of the native protocol."""

from __future__ import annotations

from typing import Any

from zhiyin.access.http.errors import error_body, status_of
from zhiyin.domain import live
from zhiyin.domain.errors import AsrError
from zhiyin.domain.live import LiveEvent

Json = dict[str, Any]

_CLOSE_OK, _CLOSE_POLICY, _CLOSE_INTERNAL, _CLOSE_LATER = 1000, 1008, 1011, 1013


def event(told: LiveEvent, *, words: bool) -> Json:
    """An event as JSON; times in seconds of sound since the start."""
    if isinstance(told, live.SpeechStarted):
        return {"type": "speech_started", "segment_id": told.segment_id, "start": _s(told.start)}
    if isinstance(told, live.SpeechEnded):
        return {"type": "speech_ended", "segment_id": told.segment_id, "end": _s(told.end)}
    if isinstance(told, live.Partial):
        return {
            "type": "partial",
            "segment_id": told.segment_id,
            "seq": told.seq,
            "stable": told.stable,
            "unstable": told.unstable,
            "audio_end": _s(told.audio_end),
        }
    if isinstance(told, live.Final):
        return _final(told, words=words)
    if isinstance(told, live.Warned):
        return {"type": "warning", "code": told.code, "message": told.message}
    return {
        "type": "done",
        "received_s": _s(told.received_s),
        "decoded_s": _s(told.decoded_s),
        "segments": told.segments,
    }


def error(problem: AsrError) -> Json:
    """An error in the API's own shape."""
    return {"type": "error", **error_body(problem)}


def close_code(problem: AsrError) -> int:
    """The WebSocket close code for what a session can't go on after (RFC 6455, 7.4)."""
    status = status_of(problem)
    if status in (429, 503):
        return _CLOSE_LATER
    return _CLOSE_POLICY if status < 500 else _CLOSE_INTERNAL


def _final(told: live.Final, *, words: bool) -> Json:
    body: Json = {
        "type": "final",
        "segment_id": told.segment_id,
        "text": told.text,
        "start": _s(told.start),
        "end": _s(told.end),
        "language": told.language,
        "confidence": round(told.confidence, 3),
        "reason": told.reason,
        "degraded": told.degraded,
    }
    if words:
        body["words"] = [
            {
                "word": word.text,
                "start": _s(word.start),
                "end": _s(word.end),
                "confidence": round(word.confidence, 3),
            }
            for word in told.words
        ]
    return body


def _s(seconds: float) -> float:
    return round(seconds, 3)
