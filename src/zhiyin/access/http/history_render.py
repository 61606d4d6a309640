"""Responses of /v1/history: ids, cursors, pages and downloads."""

from __future__ import annotations

import json
import re
from datetime import datetime

from starlette.responses import JSONResponse, Response

from zhiyin.access.http import render
from zhiyin.access.json_types import Json
from zhiyin.domain.errors import InvalidRequest, NotFound
from zhiyin.domain.history import HistoryEntry, HistoryPage, Summary
from zhiyin.domain.search import excerpt

PRIVATE = {"Cache-Control": "no-store"}
_ID = re.compile(r"tr_([0-9a-f]{16})")
_CURSOR = re.compile(r"c([0-9a-f]{16})")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LARGEST = (1 << 63) - 1
_EXCERPT_CHARS = 200


def id_of(number: int) -> str:
    """An entry's id."""
    return f"tr_{number:016x}"


def read_id(text: str) -> int | str:
    """The number of an entry, or the id of a request. Raises NotFound for what is neither."""
    found = _ID.fullmatch(text)
    if found:
        return min(int(found.group(1), 16), _LARGEST)
    if not _REQUEST_ID.fullmatch(text):
        raise NotFound("There is no transcript of this id.", param="id")
    return text


def read_cursor(text: str) -> int:
    """Where the next page begins. Raises InvalidRequest."""
    found = _CURSOR.fullmatch(text)
    if found is None or int(found.group(1), 16) > _LARGEST:
        raise InvalidRequest(
            "This is no cursor of this server. Begin again without one.",
            code="invalid_value",
            param="cursor",
        )
    return int(found.group(1), 16)


def page(found: HistoryPage, terms: tuple[str, ...]) -> Json:
    """A list as in the OpenAI API, with a cursor."""
    return {
        "object": "list",
        "data": [_summary(s, terms) for s in found.summaries],
        "next_cursor": None if found.before is None else f"c{found.before:016x}",
    }


def _summary(one: Summary, terms: tuple[str, ...]) -> Json:
    """`text` is the beginning, or where the first term stands; null when it can't be decrypted."""
    return {
        "id": id_of(one.id),
        "object": "transcript",
        "request_id": one.caller.request_id,
        "created": _time(one.time),
        "door": one.caller.door,
        "language": one.language,
        "model": one.model,
        "engine": one.engine,
        "task": one.task,
        "duration": round(one.duration_s, 3),
        "latency": round(one.latency_s, 3),
        "text": None if one.text is None else excerpt(one.text, terms, _EXCERPT_CHARS),
        "characters": None if one.text is None else len(one.text),
    }


def entry(kept: HistoryEntry, fmt: str) -> Response:
    """The whole of an entry."""
    if fmt == "json":
        return JSONResponse(whole(kept), headers=PRIVATE)
    if fmt == "verbose_json":
        granularities = frozenset({"segment", "word"})
        return JSONResponse(render.verbose_json(kept.transcript, granularities), headers=PRIVATE)
    answer = render.plain(kept.transcript, "text" if fmt == "txt" else fmt)
    name = f"{id_of(kept.id)}.{fmt}"
    answer.headers.update(PRIVATE | {"Content-Disposition": f'attachment; filename="{name}"'})
    return answer


def whole(kept: HistoryEntry) -> Json:
    """The response of `/recognize`, with the metadata of the entry."""
    body = render.recognition(kept.transcript, id_of(kept.id))
    return body | {
        "object": "transcript",
        "request_id": kept.caller.request_id,
        "created": _time(kept.time),
        "door": kept.caller.door,
        "latency": round(kept.latency_s, 3),
    }


def line(body: Json) -> bytes:
    """A line of JSON."""
    return f"{json.dumps(body, ensure_ascii=False)}\n".encode()


def _time(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
