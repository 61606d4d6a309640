"""What routes are given: the finished services and the count of requests under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request
from pydantic import TypeAdapter, ValidationError
from starlette.requests import HTTPConnection

from zhiyin.core.captions.rooms import Rooms
from zhiyin.core.erasure import Erasure
from zhiyin.core.jobs.runtime import JobRuntime
from zhiyin.core.live.service import LiveService
from zhiyin.core.recognition.result_cache import CachePolicy
from zhiyin.core.recognition.service import RecognitionService
from zhiyin.core.scheduling.registry import Registry
from zhiyin.domain.errors import InvalidRequest, Overloaded
from zhiyin.domain.owner import ANONYMOUS
from zhiyin.ports.cipher import Cipher
from zhiyin.ports.history import History
from zhiyin.ports.sound import LiveDecoder

_YES_OR_NO = TypeAdapter(bool)


class Service(Protocol):
    """The part of `wiring.Services` that the HTTP door uses."""

    @property
    def registry(self) -> Registry:
        """Models."""
        ...

    @property
    def recognition(self) -> RecognitionService:
        """Recognition, with a memory."""
        ...

    @property
    def history(self) -> History:
        """What is remembered."""
        ...

    @property
    def live(self) -> LiveService:
        """Speech while it is spoken."""
        ...

    @property
    def rooms(self) -> Rooms:
        """Captions for many."""
        ...

    @property
    def sound(self) -> LiveDecoder:
        """Bytes to samples, piece by piece."""
        ...

    @property
    def jobs(self) -> JobRuntime:
        """Recognition that is done later."""
        ...

    @property
    def erasure(self) -> Erasure:
        """Forgetting an owner."""
        ...

    @property
    def token_cipher(self) -> Cipher:
        """Seals what clients hold for a while."""
        ...

    @property
    def ready(self) -> bool:
        """Whether the default model answers."""
        ...

    @property
    def degraded(self) -> dict[str, str]:
        """What is not there at the moment, though recognition goes on."""
        ...


@dataclass(slots=True)
class AppContext:
    """The state of the HTTP door."""

    service: Service
    max_uploads: int
    timeout_s: float
    idle_s: float
    view_token: str = ""
    running: int = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of `max_uploads` places; Overloaded, before the body is read, when none is free."""
        if self.running >= self.max_uploads:
            raise Overloaded(
                "The server has too many uploads at once. Try again later.", retry_after_s=2.0
            )
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


def app_context(request: Request) -> AppContext:
    """The door of this app."""
    held: AppContext = request.app.state.door
    return held


def request_id(request: Request) -> str:
    """The id that the middleware gave."""
    return str(request.state.request_id)


def owner(_: HTTPConnection) -> str:
    """Whose data this caller may see and make. The one place that says so."""
    return ANONYMOUS


def stored(connection: HTTPConnection) -> bool:
    """Whether `store=` lets the history keep what is said. Raises InvalidRequest."""
    try:
        return _YES_OR_NO.validate_python(connection.query_params.get("store", "true"))
    except ValidationError as error:
        raise InvalidRequest(
            "The parameter is 'true' or 'false'.", code="invalid_value", param="store"
        ) from error


Owner = Annotated[str, Depends(owner)]


def cache_policy(request: Request, owner: Owner) -> CachePolicy:
    """Whose results a request may get, and whether it wants any: `Cache-Control: no-store`."""
    wanted = request.headers.get("cache-control", "").lower().split(",")
    return CachePolicy(owner, allowed="no-store" not in (part.strip() for part in wanted))


Context = Annotated[AppContext, Depends(app_context)]
Cached = Annotated[CachePolicy, Depends(cache_policy)]
RequestId = Annotated[str, Depends(request_id)]


def asker(owner: Owner, request_id: RequestId) -> tuple[str, str]:
    """Owner and request id."""
    return owner, request_id


Asker = Annotated[tuple[str, str], Depends(asker)]
