"""/v1/history: list, search, export and delete a caller's transcripts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from zhiyin.access.context import NO_PARAMETERS, Context, Owner
from zhiyin.access.errors import error_body
from zhiyin.access.http import history_render as render
from zhiyin.domain.errors import CannotDecrypt, InvalidRequest, NotFound, Unavailable
from zhiyin.domain.history import MAX_PAGE, HistoryPage, HistoryQuery
from zhiyin.domain.languages import parse_language
from zhiyin.domain.search import MAX_QUERY_CHARS, terms
from zhiyin.ports.history import History

router = APIRouter(prefix="/v1/history", tags=["history"])

ExportFormat = Literal["json", "verbose_json", "txt", "srt", "vtt"]


class Filters(BaseModel):
    """Query parameters of list, search and export."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field("", max_length=MAX_QUERY_CHARS, description="Words that the text has.")
    language: str = Field("", max_length=64, description="ISO 639-1 code.")
    model: str = Field("", max_length=200, description="Model id.")
    from_: datetime | None = Field(None, alias="from", description="ISO 8601; UTC unless it says.")
    to: datetime | None = Field(None, description="ISO 8601; that time itself is left out.")
    cursor: str = Field("", max_length=64, description="`next_cursor` of the page before.")
    limit: int = Field(50, ge=1, le=MAX_PAGE, description="Transcripts per page.")

    def query(self, owner: str) -> HistoryQuery:
        """For the history. Raises InvalidRequest."""
        return HistoryQuery(
            owner,
            terms(self.q),
            parse_language(self.language) or "",
            self.model,
            _utc(self.from_, "from"),
            _utc(self.to, "to"),
            render.read_cursor(self.cursor) if self.cursor else None,
            self.limit,
        )


def _utc(time: datetime | None, param: str) -> datetime | None:
    if time is None:
        return None
    if not 1970 <= time.year <= 2200:
        raise InvalidRequest("Times lie between 1970 and 2200.", code="invalid_value", param=param)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


@router.get("", summary="List and search kept transcripts")
async def list_transcripts(
    context: Context, owner: Owner, filters: Annotated[Filters, Query()]
) -> Response:
    """Newest first.

    A search looks for each word of `q` anywhere in the text, without regard to case, width and
    punctuation; it may answer a short page with a `next_cursor` before the end.
    """
    query = filters.query(owner)
    page = await context.service.history.page(query)
    return JSONResponse(render.page(page, query.terms), headers=render.PRIVATE)


@router.get("/export", summary="All transcripts in full, as JSON lines")
async def export_transcripts(
    context: Context, owner: Owner, filters: Annotated[Filters, Query()]
) -> Response:
    """Those that the same parameters would list, on all pages, each as `/v1/history/{id}` has it.

    One that can't be decrypted is a line with its `id` and `error`.
    """
    query = replace(filters.query(owner), limit=MAX_PAGE)
    first = await context.service.history.page(
        query
    )  # an error before the first byte gets a status
    return StreamingResponse(
        _lines(context.service.history, query, first),
        media_type="application/x-ndjson",
        headers=render.PRIVATE | {"Content-Disposition": 'attachment; filename="history.jsonl"'},
    )


async def _lines(history: History, query: HistoryQuery, page: HistoryPage) -> AsyncIterator[bytes]:
    try:
        while True:
            for summary in page.summaries:
                yield await _line(history, query.owner, summary.id)
            if page.before is None:
                return
            page = await history.page(replace(query, before=page.before))
    except Unavailable as error:
        yield render.line(error_body(error))


async def _line(history: History, owner: str, number: int) -> bytes:
    try:
        return render.line(render.whole(await history.get(owner, number)))
    except NotFound:  # deleted meanwhile
        return b""
    except CannotDecrypt as error:
        return render.line({"id": render.id_of(number)} | error_body(error))


@router.get("/{id}", summary="One transcript")
async def one_transcript(
    id: str, context: Context, owner: Owner, format: ExportFormat = "json"
) -> Response:
    """By its `id`, or by the request id of its answer; as JSON, text or subtitles."""
    entry = await context.service.history.get(owner, render.read_id(id))
    return render.entry(entry, format)


@router.delete(
    "/{id}", status_code=204, summary="Delete a transcript", dependencies=[NO_PARAMETERS]
)
async def delete_transcript(id: str, context: Context, owner: Owner) -> None:
    """By its `id`, or by the request id of its answer: the newest of that id."""
    await context.service.history.delete(owner, render.read_id(id))
