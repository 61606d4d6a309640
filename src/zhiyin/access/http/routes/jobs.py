"""/v1/jobs: asynchronous recognition, with events and webhooks."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import JSONResponse, Response

from zhiyin.access.context import NO_PARAMETERS, AppContext, Context, Owner
from zhiyin.access.http import openapi, render, sse
from zhiyin.access.http.forms import JobForm, ResponseFormat
from zhiyin.access.http.upload import read_form
from zhiyin.access.json_types import Json
from zhiyin.access.validation import missing
from zhiyin.core.jobs.service import JobService
from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.job import MAX_KEY_CHARS, Job, JobQuery, JobState, is_job_id
from zhiyin.domain.transcript import Transcript

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

UPLOADS = frozenset({"/v1/jobs"})
"""Paths whose bodies may be as large as an upload."""

_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_CHARS}}}")
_EXAMPLE = {
    "id": "job_019ab3f0d1c2a1b2c3d4e5f60718293a", "object": "job", "state": "running",
    "priority": "normal", "created_at": 1795000000.0, "started_at": 1795000001.5,
    "ended_at": None, "expires_at": None, "audio_expires_at": 1795086400.0,
    "progress": {"processed": 840.0, "duration": 3600.0}, "estimate_s": 212.4, "attempts": 1,
    "run": 1, "error": None, "webhook": None, "result_url": None,
}  # fmt: skip


@router.post(
    "",
    status_code=202,
    summary="Recognize a recording later",
    description="Upload a `file`, or name a `url` where this server allows it. The answer comes "
    "at once. With an `Idempotency-Key` a repeated request gives the first one's job.",
    openapi_extra=openapi.request_body(JobForm, needs_file=False),
    responses=openapi.responses(_EXAMPLE, status=202),
)
async def submit(
    request: Request,
    context: Context,
    owner: Owner,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Accept a job."""
    key = _validated_key(idempotency_key)
    async with AsyncExitStack() as stack:
        context.require_slot()
        await _service(context).check_capacity(owner, key)  # before a big body is read
        upload, form = await read_form(request, JobForm)
        if upload is not None:
            stack.push_async_callback(upload.close)
        stack.enter_context(context.upload_slot())
        if (upload is None) == (not form.url):
            raise missing("file", "Send the recording as the field 'file', or name its 'url'.")
        source = None if upload is None else upload.source
        made = await _service(context).submit(owner, form.request(), source, key)
    headers = {"Location": f"/v1/jobs/{made.job.id}"}
    if made.replayed:
        headers["Idempotent-Replayed"] = "true"
    return JSONResponse(await _with_estimate(context, made.job), 202, headers)


@router.get("", summary="List jobs")
async def list_jobs(
    context: Context,
    owner: Owner,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str, Query(max_length=64, description="Id of the last job seen.")] = "",
    state: JobState | None = None,
) -> Json:
    """The caller's jobs, the newest first."""
    if after and not is_job_id(after):
        raise InvalidRequest("'after' is the id of a job.", code="invalid_value", param="after")
    found = await _service(context).list(JobQuery(owner, limit + 1, after, state))
    data = [render.job(job) for job in found[:limit]]
    return {"object": "list", "data": data, "has_more": len(found) > limit}


@router.get("/{job_id}", summary="State, progress and estimate", responses={200: {}})
async def status(job_id: str, context: Context, owner: Owner) -> Json:
    """One job."""
    return await _with_estimate(context, await _service(context).get(owner, job_id))


@router.get("/{job_id}/result", summary="Get the transcript")
async def result(
    job_id: str,
    context: Context,
    owner: Owner,
    form: Annotated[ResponseFormat, Query(alias="format")] = "json",
) -> Response:
    """The transcript of a job that is done; `json` is the answer of /recognize."""
    job, transcript = await _service(context).result(owner, job_id)
    return _rendered(job, transcript, form)


@router.post("/{job_id}/cancel", summary="Cancel", dependencies=[NO_PARAMETERS])
async def cancel(job_id: str, context: Context, owner: Owner) -> Json:
    """End a job, also while it runs; one that has ended stays as it is."""
    job = await _service(context).cancel(owner, job_id)
    context.service.jobs.reconciler.wake()
    return render.job(job)


@router.post("/{job_id}/retry", status_code=202, summary="Retry", dependencies=[NO_PARAMETERS])
async def retry(job_id: str, context: Context, owner: Owner) -> Json:
    """After a failure or a cancellation, as long as the recording is kept."""
    return render.job(await _service(context).retry(owner, job_id))


@router.delete(
    "/{job_id}",
    summary="Delete a job with its recording and transcript",
    dependencies=[NO_PARAMETERS],
)
async def delete(job_id: str, context: Context, owner: Owner) -> Json:
    """In whatever state it is."""
    await _service(context).delete(owner, job_id)
    return {"id": job_id, "object": "job", "deleted": True}


@router.get("/{job_id}/events", summary="Follow a job (server-sent events)")
async def events(job_id: str, context: Context, owner: Owner) -> Response:
    """An event for every change; the last has the final state."""
    changes = _service(context).watch(owner, job_id)
    return sse.EventStream(await sse.first(changes), changes, render.job_event, _nothing)


def _service(context: AppContext) -> JobService:
    return context.service.jobs.service


async def _with_estimate(context: AppContext, job: Job) -> Json:
    return render.job(job, await _service(context).estimate(job))


def _rendered(job: Job, transcript: Transcript, form: str) -> Response:
    if form == "json":
        return JSONResponse(render.recognition(transcript, job.id))
    words = frozenset({"word"}) if job.request.options.decode.words else frozenset[str]()
    return render.response(transcript, form, frozenset({"segment"}) | words)


def _validated_key(key: str | None) -> str:
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidRequest(
            f"An Idempotency-Key has 1 to {MAX_KEY_CHARS} visible ASCII characters.",
            code="invalid_value", param="Idempotency-Key",
        )  # fmt: skip
    return key or ""


async def _nothing() -> None:
    """An event stream of a job has nothing to close."""
