"""The route of caption rooms, `/ws/subtitle`, and its parameters."""

from __future__ import annotations

import secrets

from fastapi import APIRouter
from starlette.websockets import WebSocket

from zhiyin.access import room_tokens
from zhiyin.access.context import AppContext, app_context, make_caller, read_store
from zhiyin.access.room_tokens import SUBPROTOCOL
from zhiyin.access.ws.captions.connection import SpeakerConnection, view
from zhiyin.access.ws.read_ahead import AHEAD_BYTES
from zhiyin.access.ws.transport import Transport, serving
from zhiyin.domain.caller import Caller
from zhiyin.domain.captions import parse_room
from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.languages import parse_language
from zhiyin.domain.live import AudioFormat, LiveDefaults, LiveOptions, parse_encoding
from zhiyin.domain.options import DecodeOptions, TextOptions
from zhiyin.domain.script import parse_script, script_of_tag

router = APIRouter()

_KNOWN = {
    "room",
    "role",
    "language",
    "model",
    "sample_rate",
    "encoding",
    "token",
    "store",
    "script",
}


@router.websocket("/ws/subtitle")
async def subtitle(websocket: WebSocket) -> None:
    """Audio in and captions out for a speaker, captions for viewers."""
    context, caller = app_context(websocket), make_caller(websocket)
    limits = context.limits
    # There may be many viewers, and they send nothing.
    ahead_bytes = 0 if websocket.query_params.get("role") == "viewer" else AHEAD_BYTES
    offered = websocket.scope["subprotocols"]
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    async with serving(
        websocket, idle_s=limits.idle_s, max_idle_s=limits.max_idle_s,
        max_bytes=limits.max_message_kb << 10, stall_s=limits.stall_s, ahead_bytes=ahead_bytes,
    ) as transport:  # fmt: skip
        await _serve(transport, websocket, context, caller)
        await transport.close()


async def _serve(
    transport: Transport, websocket: WebSocket, context: AppContext, caller: Caller
) -> None:
    query = websocket.query_params
    for name in query:
        if name not in _KNOWN:
            raise InvalidRequest(f"There is no parameter '{name[:40]}'.", param=name[:40])
    room, role = query.get("room", ""), query.get("role", "speaker")
    if room:
        parse_room(room)
    if role == "viewer" and room:
        room_tokens.require(caller, "captions:view")
        await view(transport, context.service.rooms, room)
    elif role == "speaker":
        room_tokens.require(caller, "captions:publish")
        await _speak(transport, websocket, context, caller, room)
    else:
        raise InvalidRequest("The role is 'speaker' or, with a room, 'viewer'.", param="role")


async def _speak(
    transport: Transport, websocket: WebSocket, context: AppContext, caller: Caller, room: str
) -> None:
    live, rooms = context.service.live, context.service.rooms
    audio_format, options = _audio_format(websocket), _options(websocket, live.defaults)
    caller = caller.at(
        "captions", store=read_store(websocket), request_id=f"cap_{secrets.token_hex(12)}"
    )
    speaker = await rooms.speak(room, caller) if room else rooms.private()
    try:
        session = await live.open(options, audio_format, caller)
        try:
            await SpeakerConnection(transport, session, speaker).run()
        finally:
            await session.close()
    finally:
        await speaker.finish()


def _audio_format(websocket: WebSocket) -> AudioFormat:
    query = websocket.query_params
    encoding = parse_encoding(query.get("encoding", "s16le"))
    try:
        rate = int(query.get("sample_rate", "16000"))
    except ValueError as error:
        raise InvalidRequest("The sample rate is a number.", param="sample_rate") from error
    return AudioFormat(encoding, rate)


def _options(websocket: WebSocket, defaults: LiveDefaults) -> LiveOptions:
    query = websocket.query_params
    tag = query.get("language", "")
    return LiveOptions(
        query.get("model", ""),
        DecodeOptions(language=parse_language(tag)),
        silence_s=defaults.silence_s,
        threshold=defaults.threshold,
        lead_in_s=defaults.lead_in_s,
        text=TextOptions(parse_script(query.get("script", "")) or script_of_tag(tag)),
    )
