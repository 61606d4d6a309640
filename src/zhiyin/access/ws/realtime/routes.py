"""Routes of OpenAI's Realtime transcription protocol, `/v1/realtime`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from zhiyin.access.context import (
    NO_PARAMETERS,
    AppContext,
    Context,
    Service,
    app_context,
    make_caller,
    read_store,
)
from zhiyin.access.errors import error_response, observe_error
from zhiyin.access.json_types import Json
from zhiyin.access.ws.realtime import render
from zhiyin.access.ws.realtime.client import MAX_MESSAGE_BYTES
from zhiyin.access.ws.realtime.connection import Connection
from zhiyin.access.ws.realtime.schemas import FlatSecretRequest, SecretRequest
from zhiyin.access.ws.realtime.settings import SessionSettings, Turns
from zhiyin.access.ws.realtime.tokens import Tokens
from zhiyin.access.ws.transport import serving
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import AsrError, InvalidRequest, Overloaded, UnknownModel

SUBPROTOCOL = "realtime"
_KEY, _OLDER = "openai-insecure-api-key.", "openai-beta.realtime-v1"

router = APIRouter(prefix="/v1/realtime", tags=["realtime"])


@dataclass(slots=True)
class Realtime:
    """What the addresses share: the tokens, and the count of open connections."""

    tokens: Tokens
    running: int = 0

    @contextmanager
    def place(self, most: int) -> Iterator[None]:
        """One of that many places. Raises Overloaded."""
        if self.running >= most:
            raise Overloaded("The server has too many live sessions. Try again later.")
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


def install(app: FastAPI, service: Service) -> None:
    """Add the addresses."""
    app.state.realtime = Realtime(Tokens(service.token_cipher))
    app.include_router(router)


def _shared(connection: HTTPConnection) -> Realtime:
    held: Realtime = connection.app.state.realtime
    return held


Shared = Annotated[Realtime, Depends(_shared)]


@router.post(
    "/client_secrets",
    summary="A short-lived token for a browser (OpenAI)",
    dependencies=[NO_PARAMETERS],
)
async def client_secrets(
    context: Context, shared: Shared, request: SecretRequest | None = None
) -> Json:
    """The token, and the session that it opens."""
    wanted = request or SecretRequest()
    live = context.service.live
    settings = _default(context.service).updated(wanted.session.audio.input, live.defaults)
    context.service.registry.resolve(settings.model)
    return render.client_secret(shared.tokens.make(settings, wanted.expires_after.seconds))


@router.post(
    "/transcription_sessions",
    summary="The older form of client_secrets (OpenAI)",
    dependencies=[NO_PARAMETERS],
)
async def transcription_sessions(
    context: Context, shared: Shared, request: FlatSecretRequest | None = None
) -> Json:
    """The session, with its token."""
    wanted = request or FlatSecretRequest()
    settings = _default(context.service).updated(wanted, context.service.live.defaults)
    context.service.registry.resolve(settings.model)
    seconds = wanted.client_secret.expires_at.seconds
    return render.transcription_session(shared.tokens.make(settings, seconds))


@router.websocket("")
async def realtime(websocket: WebSocket) -> None:
    """Speech in, text out, while it is spoken."""
    context = app_context(websocket)
    shared = _shared(websocket)
    caller = make_caller(websocket)
    try:
        settings = _settings(websocket, context.service, shared.tokens)
        caller = caller.at(
            "realtime", store=read_store(websocket), request_id=render.new_id("sess")
        )
        with shared.place(context.service.live.limits.max_sessions):
            offered = websocket.scope["subprotocols"]
            await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
            await _serve(websocket, context, settings, caller)
    except AsrError as error:
        observe_error(websocket.scope, error.code)
        await websocket.send_denial_response(error_response(error))


async def _serve(
    websocket: WebSocket, context: AppContext, settings: SessionSettings, caller: Caller
) -> None:
    flat, limits = _is_flat(websocket), context.limits
    async with (
        serving(
            websocket, idle_s=limits.idle_s, max_idle_s=limits.max_idle_s,
            max_bytes=MAX_MESSAGE_BYTES, ahead_bytes=MAX_MESSAGE_BYTES, render=render.error_event,
        ) as transport,
        asyncio.TaskGroup() as tasks,
    ):  # fmt: skip
        await Connection(transport, context.service, settings, tasks, caller, flat=flat).run()


def _default(service: Service) -> SessionSettings:
    turns = Turns.by(service.live.defaults)
    return SessionSettings(model=service.registry.default, turns=turns)


def _settings(websocket: WebSocket, service: Service, tokens: Tokens) -> SessionSettings:
    """What the session begins with: the settings of its token, and the model of the address."""
    token = tokens.check(_key(websocket))
    settings = token.settings if token else _default(service)
    if websocket.query_params.get("intent", "transcription") != "transcription":
        raise InvalidRequest("The intent can only be 'transcription'.", param="intent")
    model = websocket.query_params.get("model")
    if not model:
        return settings
    try:
        service.registry.resolve(model)
    except UnknownModel:
        if "realtime" in model:
            return settings  # OpenAI's name for what holds the conversation, not of a recognizer
        raise
    return replace(settings, model=model)


def _key(websocket: WebSocket) -> str:
    kind, _, key = websocket.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return key.strip()
    offered: list[str] = websocket.scope["subprotocols"]
    return next((p.removeprefix(_KEY) for p in offered if p.startswith(_KEY)), "")


def _is_flat(websocket: WebSocket) -> bool:
    older = websocket.headers.get("openai-beta", "") == "realtime=v1"
    return older or _OLDER in websocket.scope["subprotocols"]
