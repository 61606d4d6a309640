"""Caption export: the captions of a room as SRT, WebVTT or text."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from zhiyin.access import room_tokens
from zhiyin.access.context import Context, TheCaller
from zhiyin.access.http import render
from zhiyin.core.captions.log import segments
from zhiyin.domain.captions import parse_room
from zhiyin.domain.errors import UnknownRoom

router = APIRouter(tags=["captions"])

CaptionFormat = Annotated[Literal["srt", "vtt", "txt"], Query(alias="format")]


@router.get("/captions/{room}/export", summary="Export the captions of a room")
async def export(
    caller: TheCaller, context: Context, room: str, fmt: CaptionFormat = "txt", token: str = ""
) -> Response:
    """The final captions as `srt`, `vtt` or `txt`, during the speech and after it.

    Each speaker's time starts where the one before ended. `token` (or a bearer) is the viewers'.
    """
    room_tokens.require(caller, "captions:view")
    captions = segments(await context.service.rooms.history(parse_room(room)))
    if not captions:
        raise UnknownRoom("Nothing is known of this room, yet or any more.", param="room")
    return render.room(room, captions, fmt)
