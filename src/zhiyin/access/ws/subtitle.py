"""Caption rooms over WebSockets: `/ws/subtitle`."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.websockets import WebSocket, WebSocketDisconnect

from zhiyin.access.http.deps import Service, owner
from zhiyin.access.ws.stream import render
from zhiyin.core.live import LiveSession
from zhiyin.core.rooms import Caption, Room, RoomLimits, Rooms
from zhiyin.domain.errors import AsrError, DeadlineExceeded, InvalidRequest, Unauthenticated
from zhiyin.domain.history import Caller
from zhiyin.domain.languages import parse_language
from zhiyin.domain.live import LiveOptions, Warned, parse_encoding
from zhiyin.domain.options import DecodeOptions
from zhiyin.ports.sound import LiveSound

log = logging.getLogger(__name__)
router = APIRouter()

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KNOWN = {"room", "role", "language", "model", "sample_rate", "encoding", "token", "store"}
_GONE = (RuntimeError, WebSocketDisconnect)


@dataclass(frozen=True, slots=True)
class CaptionDoor:
    """What the address needs; a speaker that sends nothing for `idle_s` seconds is let go."""

    service: Service
    rooms: Rooms
    idle_s: float
    publish_token: str = ""
    view_token: str = ""


def install(
    app: FastAPI, service: Service, limits: RoomLimits, *, idle_s: float, tokens: tuple[str, str]
) -> None:
    """Add the address; `tokens` are what speakers and viewers must know."""
    app.state.captions = CaptionDoor(service, Rooms(limits), idle_s, *tokens)
    app.include_router(router)


@router.websocket("/ws/subtitle")
async def subtitle(websocket: WebSocket) -> None:
    """Sound in and captions out for a speaker, captions for viewers."""
    door: CaptionDoor = websocket.app.state.captions
    await websocket.accept()
    try:
        await _serve(websocket, door, websocket.query_params)
        await websocket.close()
    except _GONE:
        pass
    except AsrError as error:
        with suppress(*_GONE):
            await websocket.send_json(render.error(error))
            await websocket.close(render.close_code(error))
    except Exception:
        log.exception("a caption connection broke")
        with suppress(*_GONE):
            await websocket.close(1011)


async def _serve(websocket: WebSocket, door: CaptionDoor, query: Mapping[str, str]) -> None:
    for name in query:
        if name not in _KNOWN:
            raise InvalidRequest(f"There is no parameter '{name[:40]}'.", param=name[:40])
    name, role = query.get("room", ""), query.get("role", "speaker")
    if name and not _NAME.fullmatch(name):
        raise InvalidRequest("A room's name has 1 to 64 letters, digits, - and _.", param="room")
    if role == "viewer" and name:
        _check(websocket, query, door.view_token)
        await _view(websocket, door.rooms.enter(name))
    elif role == "speaker":
        _check(websocket, query, door.publish_token)
        await _speak(websocket, door, query, door.rooms.enter(name) if name else None)
    else:
        raise InvalidRequest("The role is 'speaker' or, with a room, 'viewer'.", param="role")


def _check(websocket: WebSocket, query: Mapping[str, str], wanted: str) -> None:
    bearer = websocket.headers.get("authorization", "").removeprefix("Bearer ")
    given = query.get("token") or bearer
    if wanted and not hmac.compare_digest(given.encode(), wanted.encode()):
        raise Unauthenticated("The token of this room is wrong or missing.", param="token")


async def _view(websocket: WebSocket, room: Room) -> None:
    history = [_body(caption) for caption in room.history]
    viewer = room.join()
    gone = asyncio.create_task(_until_gone(websocket))
    telling = asyncio.create_task(_show(websocket, viewer.captions()))
    try:
        await websocket.send_json({"type": "history", "captions": history})
        done, _ = await asyncio.wait({gone, telling}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        room.leave(viewer)
        for task in (gone, telling):
            task.cancel()
        await asyncio.gather(gone, telling, return_exceptions=True)


async def _until_gone(websocket: WebSocket) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        raise InvalidRequest("Viewers only read.", code="read_only")


async def _show(websocket: WebSocket, captions: Any) -> None:
    async for told in captions:
        await websocket.send_json({"type": "end"} if told is None else _body(told))


async def _speak(
    websocket: WebSocket, door: CaptionDoor, query: Mapping[str, str], shared: Room | None
) -> None:
    room = shared or door.rooms.private()
    sound = door.service.sound.open(
        parse_encoding(query.get("encoding", "s16le")), _rate(query.get("sample_rate", "16000"))
    )
    language = parse_language(query.get("language", ""))
    room.begin()
    try:
        options = LiveOptions(query.get("model", ""), DecodeOptions(language=language))
        live = await door.service.live.open(options)
        if query.get("store", "true") != "false":
            live.caller = Caller(owner(websocket), f"cap_{secrets.token_hex(12)}", "captions")
        try:
            await _publish(websocket, door, room, live, sound)
        finally:
            await live.close()
    finally:
        sound.close()
        room.finish()


async def _publish(
    websocket: WebSocket, door: CaptionDoor, room: Room, live: LiveSession, sound: LiveSound
) -> None:
    """Feed and tell at once. When the speaker is gone, the viewers still get the last words."""
    heard = asyncio.create_task(_listen(websocket, door.idle_s, live, sound))
    here = True
    async for event in live.events():
        told = room.publish(event)
        if told is not None and here:
            try:
                await websocket.send_json(_body(told))
            except _GONE:
                here = False
    await heard
    if here:
        await websocket.send_json({"type": "end"})


async def _listen(websocket: WebSocket, idle_s: float, live: LiveSession, sound: LiveSound) -> None:
    """Until the speaker ends it, goes, or falls silent; whatever it is, the rest is told."""
    try:
        while True:
            async with asyncio.timeout(idle_s):
                message = await websocket.receive()
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


def _body(told: Caption | Warned) -> render.Json:
    if isinstance(told, Warned):
        return {"type": "warning", "code": told.code, "message": told.message}
    body = asdict(told)
    return {"type": "caption", **body, "start": round(told.start, 3), "end": round(told.end, 3)}
