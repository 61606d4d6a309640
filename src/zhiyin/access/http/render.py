"""Response formats: JSON, verbose JSON, text, SRT, WebVTT, events; the wire formats of HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from starlette.responses import JSONResponse, PlainTextResponse, Response

from zhiyin.access.json_types import Json
from zhiyin.domain.engine import ModelInfo
from zhiyin.domain.events import Event, Finished, Progress, SegmentReady
from zhiyin.domain.job import Job, JobState
from zhiyin.domain.languages import LANGUAGES, separator
from zhiyin.domain.subtitles import to_srt, to_vtt
from zhiyin.domain.transcript import Segment, Transcript, Word

_SEGMENTS = frozenset({"segment"})


def response(
    transcript: Transcript, fmt: str, granularities: frozenset[str] = _SEGMENTS
) -> Response:
    """A response of the OpenAI API in one of its five formats."""
    if fmt == "json":
        return JSONResponse(openai_json(transcript))
    if fmt == "verbose_json":
        return JSONResponse(verbose_json(transcript, granularities))
    return plain(transcript, fmt)


def plain(transcript: Transcript, fmt: str) -> Response:
    """text, srt or vtt as a bare body."""
    text = text_form(transcript, fmt)
    return PlainTextResponse(text, media_type=_media_type(fmt))


def room(name: str, captions: Sequence[Segment], fmt: str) -> Response:
    """A caption room as a file: srt, vtt, or txt with a line for each caption."""
    text = {"srt": to_srt, "vtt": to_vtt}.get(fmt, _lines)(captions)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{fmt}"',
        "Cache-Control": "no-store",
    }
    return PlainTextResponse(text, media_type=_media_type(fmt), headers=headers)


def _lines(captions: Iterable[Segment]) -> str:
    return "".join(f"{' '.join(segment.shown.split())}\n" for segment in captions)


def _media_type(fmt: str) -> str:
    return {"vtt": "text/vtt", "srt": "application/x-subrip"}.get(fmt, "text/plain")


def text_form(transcript: Transcript, fmt: str) -> str:
    """text, srt or vtt as a string, ending in a newline."""
    if fmt == "srt":
        return to_srt(transcript.segments)
    if fmt == "vtt":
        return to_vtt(transcript.segments)
    return transcript.text + "\n"


def openai_json(transcript: Transcript) -> Json:
    """`json`: the text and what it is billed by."""
    return {"text": transcript.text, "usage": _usage(transcript)}


def verbose_json(transcript: Transcript, granularities: frozenset[str]) -> Json:
    """`verbose_json`; the language is an English name, as OpenAI's is."""
    written = transcript.text_language
    body: Json = {
        "task": transcript.task,
        "language": LANGUAGES.get(written, written),
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
        "usage": _usage(transcript),
    }
    if "word" in granularities:
        words = [w for s in transcript.segments for w in s.words]
        body["words"] = [
            {"word": w.text, "start": round(w.start, 3), "end": round(w.end, 3)} for w in words
        ]
    if "segment" in granularities:
        body["segments"] = [_verbose_segment(i, s) for i, s in enumerate(transcript.segments)]
    return body


def _verbose_segment(index: int, segment: Segment) -> Json:
    stats = segment.stats
    return {
        "id": index,
        "seek": round(segment.start * 100),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.shown,
        "tokens": list(stats.tokens),
        "temperature": stats.temperature,
        "avg_logprob": round(stats.avg_logprob, 4),
        "compression_ratio": round(stats.compression_ratio, 4),
        "no_speech_prob": round(stats.no_speech_prob, 6),
    }


def _usage(transcript: Transcript) -> Json:
    return {"type": "duration", "seconds": max(1, round(transcript.duration))}


def recognition(transcript: Transcript, request_id: str) -> Json:
    """The answer of `/recognize`; the language is a code."""
    probability = transcript.language_probability
    return {
        "id": request_id,
        "text": transcript.text,
        "language": transcript.language,
        "language_probability": None if probability is None else round(probability, 4),
        "duration": round(transcript.duration, 3),
        "task": transcript.task,
        "model": transcript.model,
        "engine": transcript.engine,
        "segments": [segment_json(i, s) for i, s in enumerate(transcript.segments)],
        "warnings": [{"code": n.code, "message": n.message} for n in transcript.notices],
    }


def segment_json(index: int, segment: Segment) -> Json:
    """A segment in zhiyin's own form."""
    body: Json = {
        "id": index,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.shown,
        "confidence": round(segment.confidence, 4),
    }
    if segment.language:
        body["language"] = segment.language
    if segment.display:
        body["lexical"] = segment.text
    if segment.words:
        body["words"] = [_word(w) for w in segment.words]
    return body


def _word(word: Word) -> Json:
    return {
        "word": word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "confidence": round(word.confidence, 4),
    }


def recognition_event(event: Event, request_id: str) -> Json:
    """An event of `/recognize` with `stream=true`."""
    match event:
        case Progress(processed, duration):
            known = None if duration is None else round(duration, 3)
            return {"type": "progress", "processed": round(processed, 3), "duration": known}
        case SegmentReady(index, segment):
            return {"type": "segment", "segment": segment_json(index, segment)}
        case Finished(transcript):
            return {"type": "done", "result": recognition(transcript, request_id)}


class OpenAiEvents:
    """The text of a run as OpenAI's deltas; they concatenate to the final text."""

    def __init__(self) -> None:
        self._last = ""

    def of(self, event: Event) -> Json | None:
        """The wire form of an event, None for what OpenAI's stream does not have."""
        match event:
            case SegmentReady(_, segment):
                delta = separator(self._last, segment.shown) + segment.shown
                self._last = segment.shown
                return {"type": "transcript.text.delta", "delta": delta}
            case Finished(transcript):
                usage = _usage(transcript)
                return {"type": "transcript.text.done", "text": transcript.text, "usage": usage}
            case _:
                return None


def job(held: Job, estimate_s: float | None = None) -> Json:
    """A job as its owner sees it; times are unix seconds."""
    failure, audio = held.failure, held.recording
    hook = {
        "state": held.webhook.delivery.value,
        "attempts": held.webhook.attempts,
        "event_id": held.event_id,
    }
    return {
        "id": held.id,
        "object": "job",
        "state": held.state.value,
        "priority": held.request.priority.name.lower(),
        "created_at": _time(held.created_at),
        "started_at": _time(held.started_at),
        "ended_at": _time(held.ended_at),
        "expires_at": _time(held.until),
        "audio_expires_at": _time(audio.until) if audio.blob else None,
        "progress": {
            "processed": round(held.processed_s, 3),
            "duration": None if audio.duration_s is None else round(audio.duration_s, 3),
        },
        "estimate_s": None if estimate_s is None else round(estimate_s, 1),
        "attempts": held.attempts,
        "run": held.run,
        "error": None if failure is None else {"code": failure.code, "message": failure.message},
        "webhook": hook if held.request.webhook_url else None,
        "result_url": f"/v1/jobs/{held.id}/result" if held.state is JobState.DONE else None,
    }


def job_event(held: Job) -> Json:
    """A change of a job as an event of `/v1/jobs/{id}/events`."""
    kind = "progress" if held.state is JobState.RUNNING else held.state.value
    return {"type": kind, "job": job(held)}


def _time(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def sse(body: Json) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def model_json(name: str, model: ModelInfo) -> Json:
    """A model as `/v1/models` shows it, with zhiyin's additions."""
    return {
        "id": name,
        "object": "model",
        "created": model.created,
        "owned_by": "zhiyin",
        "engine": model.engine,
        "alias_of": model.id if name != model.id else None,
        "languages": sorted(model.capabilities.languages),
        "features": sorted(model.capabilities.features),
    }
