"""The HTTP application. It is given a finished service and builds nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from zhiyin import __version__
from zhiyin.access.http import errors
from zhiyin.access.http.access_log import AccessLog
from zhiyin.access.http.deps import Door, Service
from zhiyin.access.http.middleware import BodyLimit, RequestId
from zhiyin.access.http.routes import health, models, page, recognition
from zhiyin.access.ws import subtitle
from zhiyin.access.ws.realtime import routes as realtime
from zhiyin.access.ws.stream import routes as stream
from zhiyin.core.rooms import RoomLimits

_DESCRIPTION = """
Self-hosted speech recognition: any audio in, good text out.

* `POST /recognize` is the plain way: a file in, text with segments out.
* `POST /v1/audio/transcriptions` and `/v1/audio/translations` speak the OpenAI audio API, so that
  its clients work with `base_url` set to this server's `/v1`.
* `WS /v1/stream` is the plain way for speech that is still being spoken.
* `WS /v1/realtime` speaks OpenAI's Realtime transcription, text while it is spoken.

Errors always have the form `{"error": {"message", "type", "param", "code"}}`.
"""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of the door: bytes of an upload, uploads at once, seconds for one request.

    A live connection that sends nothing for `idle_s` is closed; a session whose connection broke
    waits `grace_s`; a message may have `max_message_kb` KiB. `room_tokens` are what speakers and
    viewers of caption rooms must know.
    """

    max_upload_bytes: int
    max_uploads: int
    timeout_s: float
    idle_s: float = 60.0
    grace_s: float = 30.0
    max_message_kb: int = 1024
    rooms: RoomLimits = field(default_factory=RoomLimits)
    room_tokens: tuple[str, str] = ("", "")


class RunningService(Service, Protocol):
    """A service that the app starts and stops."""

    def start(self) -> None:
        """Begin to load."""
        ...

    async def close(self) -> None:
        """Stop everything."""
        ...


def create_app(service: RunningService, limits: HttpLimits) -> FastAPI:
    """The application around a service; starting it starts the service."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.close()

    app: FastAPI = FastAPIOffline(
        title="zhiyin",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.door = Door(service, limits.max_uploads, limits.timeout_s, limits.idle_s)
    errors.install(app)
    app.add_middleware(BodyLimit, max_bytes=limits.max_upload_bytes)
    app.add_middleware(AccessLog)
    app.add_middleware(RequestId)
    for part in (recognition, models, health):
        app.include_router(part.router)
    realtime.install(app)
    stream.install(
        app, service, idle_s=limits.idle_s, grace_s=limits.grace_s, kib=limits.max_message_kb
    )
    subtitle.install(app, service, limits.rooms, idle_s=limits.idle_s, tokens=limits.room_tokens)
    page.install(app)
    return app
