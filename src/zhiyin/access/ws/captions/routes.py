"""Caption rooms over WebSockets: `/ws/subtitle`."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from zhiyin.access import room_tokens
from zhiyin.access.context import AppContext, app_context, make_caller, read_store
from zhiyin.access.ws.errors import close_code, error_event
from zhiyin.access.ws.read_ahead import ReadAhead
from zhiyin.core.captions.speaker import Speaker
from zhiyin.core.captions.subscribers import Subscription
from zhiyin.core.live.service import LiveSession
from zhiyin.domain.caller import Caller
from zhiyin.domain.captions import CaptionEvent, Ended, parse_room
from zhiyin.domain.errors import AsrError, DeadlineExceeded, InvalidRequest, SlowReader
from zhiyin.domain.languages import parse_language
from zhiyin.domain.live import LiveOptions, Warned, parse_encoding
from zhiyin.domain.options import DecodeOptions, TextOptions
from zhiyin.domain.script import parse_script, script_of_tag
from zhiyin.ports.sound import LiveSound

log = logging.getLogger(__name__)
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
_GONE = (RuntimeError, WebSocketDisconnect)
_FAREWELL_S = 30.0  # how long a client that reads nothing may take to hear why it is closed


@router.websocket("/ws/subtitle")
async def subtitle(websocket: WebSocket) -> None:
    """Sound in and captions out for a speaker, captions for viewers."""
    context, caller = app_context(websocket), make_caller(websocket)
    await websocket.accept()
    try:
        await _serve(websocket, context, caller, websocket.query_params)
        await _close(websocket, 1000)
    except _GONE:
        pass
    except AsrError as error:
        await _close(websocket, close_code(error), error)
    except Exception:
        log.exception("a caption connection broke")
        await _close(websocket, 1011)


async def _close(websocket: WebSocket, code: int, why: AsrError | None = None) -> None:
    with suppress(*_GONE, TimeoutError):
        async with asyncio.timeout(_FAREWELL_S):
            if why is not None:
                await websocket.send_json(error_event(why))
            await websocket.close(code, why.code if why else None)


async def _serve(
    websocket: WebSocket, context: AppContext, caller: Caller, query: Mapping[str, str]
) -> None:
    for name in query:
        if name not in _KNOWN:
            raise InvalidRequest(f"There is no parameter '{name[:40]}'.", param=name[:40])
    room, role = query.get("room", ""), query.get("role", "speaker")
    if room:
        parse_room(room)
    if role == "viewer" and room:
        room_tokens.require(caller, "captions:view")
        await _view(websocket, context, room)
    elif role == "speaker":
        room_tokens.require(caller, "captions:publish")
        await _speak(websocket, context, caller, query, room)
    else:
        raise InvalidRequest("The role is 'speaker' or, with a room, 'viewer'.", param="role")


async def _view(websocket: WebSocket, context: AppContext, room: str) -> None:
    async with context.service.rooms.subscribe(room) as (said, viewer):
        history = json.dumps({"type": "history", "captions": [_body(c) for c in said]})
        gone = asyncio.create_task(_until_gone(websocket))
        telling = asyncio.create_task(_show(websocket, context, history, viewer))
        try:
            done, _ = await asyncio.wait({gone, telling}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _end(gone, telling)


async def _until_gone(websocket: WebSocket) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        raise InvalidRequest("Viewers only read.", code="read_only")


async def _show(
    websocket: WebSocket, context: AppContext, history: str, viewer: Subscription
) -> None:
    await _send(websocket, context, history)
    async for told in viewer.events():
        await _send(websocket, context, _text(told))


async def _send(websocket: WebSocket, context: AppContext, text: str) -> None:
    try:
        async with asyncio.timeout(context.limits.stall_s):
            await websocket.send_text(text)
    except TimeoutError as error:
        raise SlowReader("Nothing was read on this connection for too long.") from error


async def _speak(
    websocket: WebSocket, context: AppContext, caller: Caller, query: Mapping[str, str], room: str
) -> None:
    sound = context.service.sound.open(
        parse_encoding(query.get("encoding", "s16le")), _rate(query.get("sample_rate", "16000"))
    )
    tag = query.get("language", "")
    language = parse_language(tag)
    options = LiveOptions(
        query.get("model", ""),
        DecodeOptions(language=language),
        text=TextOptions(parse_script(query.get("script", "")) or script_of_tag(tag)),
    )
    caller = caller.at(
        "captions", store=read_store(websocket), request_id=f"cap_{secrets.token_hex(12)}"
    )
    rooms = context.service.rooms
    try:
        speaker = await rooms.speak(room, caller) if room else rooms.private()
        try:
            live = await context.service.live.open(options, caller)
            try:
                async with ReadAhead(websocket) as ahead:
                    await _publish(websocket, ahead, context, speaker, live, sound)
            finally:
                await live.close()
        finally:
            await speaker.finish()
    finally:
        sound.close()


async def _publish(
    websocket: WebSocket, ahead: ReadAhead, context: AppContext, speaker: Speaker,
    live: LiveSession, sound: LiveSound,
) -> None:  # fmt: skip
    """Feed and tell at once. When the speaker is gone, the viewers still get the last words."""
    heard = asyncio.create_task(_listen(ahead, context.limits.idle_s, live, sound))
    talking = asyncio.create_task(_input(live, speaker))
    telling = asyncio.create_task(_tell(websocket, context, speaker))
    try:
        await asyncio.wait({talking, telling}, return_when=asyncio.FIRST_COMPLETED)
        if telling.done():
            telling.result()
        await talking
        await heard
        await speaker.finish()
        if await telling:
            await _send(websocket, context, _text(Ended()))
    finally:
        await _end(heard, talking, telling)


async def _input(live: LiveSession, speaker: Speaker) -> None:
    async for event in live.events():
        speaker.publish(event)


async def _tell(websocket: WebSocket, context: AppContext, speaker: Speaker) -> bool:
    """Whether the speaker was there to the end; one that does not read is spared the captions."""
    try:
        async for told in speaker.inbox.events():
            if isinstance(told, Ended):
                return True
            await _send(websocket, context, _text(told))
    except (*_GONE, SlowReader):
        pass
    return False


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(ahead: ReadAhead, idle_s: float, live: LiveSession, sound: LiveSound) -> None:
    """Until the speaker ends it, goes, or falls silent; whatever it is, the rest is told."""
    try:
        while True:
            async with asyncio.timeout(idle_s):
                message = await ahead.receive()
            if message["type"] == "websocket.disconnect" or _is_end(message):
                break
            data = message.get("bytes")
            if data:
                await live.feed(await asyncio.to_thread(sound.push, data))
        await live.feed(await asyncio.to_thread(sound.finish))
    except TimeoutError as error:
        raise DeadlineExceeded(
            f"Nothing was sent for {idle_s:g} s.", code="session_expired"
        ) from error
    finally:
        await live.finish()


def _is_end(message: Any) -> bool:
    text = message.get("text")
    if text is None:
        return False
    with suppress(ValueError, RecursionError):
        raw = json.loads(text) if text != "eof" else {"type": "eof"}
        if isinstance(raw, dict) and raw.get("type") == "eof":
            return True
    raise InvalidRequest("Speakers send sound, and eof at the end.", code="invalid_message")


def _rate(value: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise InvalidRequest("The sample rate is a number.", param="sample_rate") from error


@lru_cache(maxsize=16)
def _text(told: CaptionEvent) -> str:
    """As JSON; made once for all viewers."""
    return json.dumps(_body(told), ensure_ascii=False)


def _body(told: CaptionEvent) -> dict[str, Any]:
    if isinstance(told, Ended):
        return {"type": "end"}
    if isinstance(told, Warned):
        return {"type": "warning", "code": told.code, "message": told.message}
    body = asdict(told)
    return {"type": "caption", **body, "start": round(told.start, 3), "end": round(told.end, 3)}
