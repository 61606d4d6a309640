"""The only place that knows the wire form of the native protocol."""

from __future__ import annotations

from zhiyin.access.json_types import Json
from zhiyin.domain import live
from zhiyin.domain.live import LiveEvent


def ready(session_id: str, model: str, sample_rate: int, received: live.Received) -> Json:
    """The greeting; `received_bytes` and `received_s` say from where the audio goes on."""
    return {
        "type": "ready",
        "session_id": session_id,
        "model": model,
        "sample_rate": sample_rate,
        "received_s": round(received.seconds, 6),
        "received_bytes": received.bytes,
    }


def event(source: LiveEvent, *, words: bool) -> Json:
    """An event as JSON; times in seconds of sound since the start."""
    if isinstance(source, live.SpeechStarted):
        return {
            "type": "speech_started",
            "segment_id": source.segment_id,
            "start": _s(source.start),
        }
    if isinstance(source, live.SpeechEnded):
        return {
            "type": "speech_ended",
            "segment_id": source.segment_id,
            "end": _s(source.end),
        }
    if isinstance(source, live.Partial):
        return {
            "type": "partial",
            "segment_id": source.segment_id,
            "seq": source.seq,
            "stable": source.stable,
            "unstable": source.unstable,
            "audio_end": _s(source.audio_end),
        }
    if isinstance(source, live.Final):
        return _final(source, words=words)
    if isinstance(source, live.Warned):
        return {"type": "warning", "code": source.code, "message": source.message}
    return {
        "type": "done",
        "received_s": _s(source.received_s),
        "decoded_s": _s(source.decoded_s),
        "segments": source.segments,
    }


def _final(final: live.Final, *, words: bool) -> Json:
    body: Json = {
        "type": "final",
        "segment_id": final.segment_id,
        "text": final.text,
        "start": _s(final.start),
        "end": _s(final.end),
        "language": final.language,
        "confidence": round(final.confidence, 3),
        "reason": final.reason,
        "degraded": final.degraded,
    }
    if final.display:
        body["display"] = final.display
    if words:
        body["words"] = [
            {
                "word": word.text,
                "start": _s(word.start),
                "end": _s(word.end),
                "confidence": round(word.confidence, 3),
            }
            for word in final.words
        ]
    return body


def _s(seconds: float) -> float:
    return round(seconds, 3)
