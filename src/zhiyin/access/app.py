"""FastAPI application: routes, middleware, lifespan. It is given a finished service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from zhiyin import __version__
from zhiyin.access import errors
from zhiyin.access.context import AccessLimits, AppContext, Service
from zhiyin.access.http.access_log import AccessLog
from zhiyin.access.http.body import BodyLimit
from zhiyin.access.http.middleware import RequestId
from zhiyin.access.http.origins import EXPOSED, SiteGuard, Sites
from zhiyin.access.http.routes import (
    captions,
    docs,
    health,
    history,
    jobs,
    models,
    owners,
    page,
    recognition,
)
from zhiyin.access.ws.captions import routes as captions_socket
from zhiyin.access.ws.native import routes as stream
from zhiyin.access.ws.realtime import routes as realtime

_DESCRIPTION = """
Self-hosted speech recognition: any audio in, good text out.

* `POST /recognize` is the plain way: a file in, text with segments out.
* `POST /v1/audio/transcriptions` and `/v1/audio/translations` speak the OpenAI audio API, so that
  its clients work with `base_url` set to this server's `/v1`.
* `POST /v1/jobs` takes long recordings and answers at once; the text is fetched later.
* `GET /v1/history` finds what was recognized before.
* `DELETE /v1/owners/me/data` erases all stored data of the caller.
* `WS /v1/stream` is the plain way for live speech.
* `WS /ws/subtitle` shows what one speaker says to many viewers.
* `WS /v1/realtime` speaks OpenAI's Realtime transcription protocol.

Errors always have the form `{"error": {"message", "type", "param", "code"}}`.
"""


class RunningService(Service, Protocol):
    """A service that the app starts and stops."""

    def start(self) -> None:
        """Start loading models."""
        ...

    async def close(self) -> None:
        """Stop everything."""
        ...


_METHODS = ("GET", "HEAD", "POST", "DELETE")


def create_app(
    service: RunningService, limits: AccessLimits, sites: Sites | None = None
) -> FastAPI:
    """The application around a service, for these hosts and origins; it starts the service."""
    sites = sites or Sites()

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
        docs_url=None,
        redoc_url=None,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.context = AppContext(service, limits)
    errors.install(app)
    app.add_middleware(BodyLimit, limits=limits, uploads=recognition.UPLOADS | jobs.UPLOADS)
    if sites.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(sites.origins), allow_methods=_METHODS,
            allow_headers=["*"], expose_headers=EXPOSED, allow_private_network=True,
        )  # fmt: skip
    app.add_middleware(SiteGuard, sites=sites)
    app.add_middleware(AccessLog, observer=service.observer)
    app.add_middleware(RequestId)
    for part in (recognition, jobs, history, models, captions, owners, health):
        app.include_router(part.router)
    realtime.install(app, service)
    stream.install(app, service, limits)
    app.include_router(captions_socket.router)
    docs.install(app)
    page.install(app)
    return app
