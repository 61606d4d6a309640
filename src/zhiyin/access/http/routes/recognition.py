"""POST /recognize and the OpenAI audio API (transcriptions, translations)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from zhiyin.access.context import AppContext, Cached, Context, TheCaller
from zhiyin.access.http import openapi, render, sse
from zhiyin.access.http.forms import RecognizeForm, TranscriptionForm, TranslationForm
from zhiyin.access.http.upload import Upload, read_upload
from zhiyin.access.json_types import Json
from zhiyin.access.validation import Form
from zhiyin.core.recognition.result_cache import CachePolicy
from zhiyin.domain.caller import Caller
from zhiyin.domain.events import Event
from zhiyin.domain.options import TranscribeOptions
from zhiyin.domain.transcript import Transcript

router = APIRouter(tags=["recognition"])

UPLOADS = frozenset({"/recognize", "/v1/audio/transcriptions", "/v1/audio/translations"})
"""Paths whose bodies may be as large as an upload."""

CACHE_HEADER = "X-Zhiyin-Cache"


@dataclass(frozen=True, slots=True)
class RecognitionRequest:
    """A recording, its options, the caller and the cache policy."""

    upload: Upload
    options: TranscribeOptions
    caller: Caller
    cache: CachePolicy


_EXAMPLE_SEGMENT = {
    "id": 0, "start": 0.32, "end": 2.58, "text": "打开客厅的灯", "confidence": 0.93,
    "language": "zh",
}  # fmt: skip
_EXAMPLE = {
    "id": "req_4be1", "text": "打开客厅的灯", "language": "zh", "language_probability": 0.99,
    "duration": 3.36, "task": "transcribe", "model": "whisper-base", "engine": "whisper",
    "segments": [_EXAMPLE_SEGMENT], "warnings": [],
}  # fmt: skip
_OPENAI_EXAMPLE = {
    "text": "Turn on the kitchen lights.", "usage": {"type": "duration", "seconds": 3},
}  # fmt: skip
_FORMATS = {
    "text/plain": "Turn on the kitchen lights.\n",
    "application/x-subrip": "1\n00:00:00,320 --> 00:00:02,580\nTurn on the kitchen lights.\n",
    "text/vtt": "WEBVTT\n\n00:00:00.320 --> 00:00:02.580\nTurn on the kitchen lights.\n",
    "text/event-stream": 'data: {"type":"transcript.text.delta","delta":"Turn on"}\n\n',
}


@router.post(
    "/recognize",
    summary="Recognize the speech in a recording",
    description="Any audio or video file. The language is detected unless it is named. With "
    "`stream=true` the answer is a series of server-sent events: `progress`, `segment`, and "
    "`done` with the whole result.",
    openapi_extra=openapi.request_body(RecognizeForm),
    responses=openapi.responses(_EXAMPLE, formats=_FORMATS),
)
async def recognize(
    request: Request, context: Context, caller: TheCaller, recall: Cached
) -> Response:
    """Zhiyin's own form."""
    async with AsyncExitStack() as stack:
        upload, form = await _receive_upload(stack, request, context, RecognizeForm)
        asked = RecognitionRequest(
            upload, form.options(), caller.at("recognize", store=form.store), recall
        )
        if form.stream:

            def to_wire(event: Event) -> Json | None:
                return render.recognition_event(event, caller.request_id)

            return await _stream(stack, context, asked, to_wire)

        def finish(transcript: Transcript) -> Response:
            if form.response_format == "json":
                return JSONResponse(render.recognition(transcript, caller.request_id))
            return render.response(transcript, form.response_format)

        return await _respond(request, context, asked, finish)


@router.post(
    "/v1/audio/transcriptions",
    summary="Transcribe (OpenAI)",
    description="The OpenAI endpoint with all five formats and streaming; `beam_size`, "
    "`hotwords` and `vad` are zhiyin's additions.",
    openapi_extra=openapi.request_body(TranscriptionForm),
    responses=openapi.responses(_OPENAI_EXAMPLE, formats=_FORMATS),
)
async def transcriptions(
    request: Request, context: Context, caller: TheCaller, recall: Cached
) -> Response:
    """OpenAI's transcription."""
    async with AsyncExitStack() as stack:
        upload, form = await _receive_upload(stack, request, context, TranscriptionForm)
        asked = RecognitionRequest(
            upload, form.options(), caller.at("openai", store=form.store), recall
        )
        if form.stream:
            return await _stream(stack, context, asked, render.OpenAiEvents().of)

        def finish(transcript: Transcript) -> Response:
            return render.response(transcript, form.response_format, form.granularities)

        return await _respond(request, context, asked, finish)


@router.post(
    "/v1/audio/translations",
    summary="Translate into English (OpenAI)",
    openapi_extra=openapi.request_body(TranslationForm),
    responses=openapi.responses(_OPENAI_EXAMPLE, formats=_FORMATS),
)
async def translations(
    request: Request, context: Context, caller: TheCaller, recall: Cached
) -> Response:
    """OpenAI's translation."""
    async with AsyncExitStack() as stack:
        upload, form = await _receive_upload(stack, request, context, TranslationForm)

        def finish(transcript: Transcript) -> Response:
            return render.response(transcript, form.response_format)

        asked = RecognitionRequest(
            upload, form.options(), caller.at("openai", store=form.store), recall
        )
        return await _respond(request, context, asked, finish)


async def _receive_upload(
    stack: AsyncExitStack, request: Request, context: AppContext, model: type[Form]
) -> tuple[Upload, Form]:
    """The upload and its fields; the stack frees the upload slot and deletes the file."""
    context.require_slot()
    upload, form = await read_upload(request, model)
    stack.push_async_callback(upload.close)
    stack.enter_context(context.upload_slot())
    return upload, form


async def _respond(
    request: Request,
    context: AppContext,
    asked: RecognitionRequest,
    finish: Callable[[Transcript], Response],
) -> Response:
    work = context.service.recognition.transcribe(
        asked.upload.source,
        asked.options,
        asked.caller,
        timeout_s=context.limits.timeout_s,
        recall=asked.cache,
    )
    try:
        response = finish(await sse.while_connected(request, work))
    except sse.ClientGone:
        return sse.disconnected()
    response.headers[CACHE_HEADER] = asked.cache.outcome
    return response


async def _stream(
    stack: AsyncExitStack,
    context: AppContext,
    asked: RecognitionRequest,
    to_wire: Callable[[Event], Json | None],
) -> Response:
    events = context.service.recognition.stream(
        asked.upload.source,
        asked.options,
        asked.caller,
        timeout_s=context.limits.timeout_s,
        recall=asked.cache,
    )
    first = await sse.first(events)
    response = sse.EventStream(first, events, to_wire, stack.pop_all().aclose)
    response.headers[CACHE_HEADER] = asked.cache.outcome
    return response
