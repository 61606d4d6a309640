"""The only place that knows the wire form of the native protocol."""

from __future__ import annotations

from zhiyin.access.json_types import Json
from zhiyin.domain import live
from zhiyin.domain.live import LiveEvent


def ready(session_id: str, model: str, sample_rate: int, received: live.Received) -> Json:
    """The greeting; `received_bytes` and `received_s` say from where the sound goes on."""
    return {
        "type": "ready",
        "session_id": session_id,
        "model": model,
        "sample_rate": sample_rate,
        "received_s": round(received.seconds, 6),
        "received_bytes": received.bytes,
    }


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
    if told.display:
        body["display"] = told.display
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
