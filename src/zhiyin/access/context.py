"""What every door is given: the finished services, its limits, and who asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request
from pydantic import TypeAdapter, ValidationError
from starlette.requests import HTTPConnection

from zhiyin.access.room_tokens import missing_scopes
from zhiyin.core.captions.rooms import Rooms
from zhiyin.core.erasure import Erasure
from zhiyin.core.jobs.runtime import JobRuntime
from zhiyin.core.live.service import LiveService
from zhiyin.core.recognition.result_cache import CachePolicy
from zhiyin.core.recognition.service import RecognitionService
from zhiyin.core.scheduling.registry import Registry
from zhiyin.domain.caller import ALL_SCOPES, Caller
from zhiyin.domain.errors import InvalidRequest, Overloaded
from zhiyin.ports.cipher import Cipher
from zhiyin.ports.history import History
from zhiyin.ports.observer import Observer
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
    def observer(self) -> Observer:
        """What errors are reported to."""
        ...

    @property
    def ready(self) -> bool:
        """Whether the default model answers."""
        ...

    @property
    def degraded(self) -> dict[str, str]:
        """What is not there at the moment, though recognition goes on."""
        ...


@dataclass(frozen=True, slots=True)
class AccessLimits:
    """Bounds of all doors: bytes of an upload, uploads at once, seconds for one request.

    A live connection that sends nothing for `idle_s` is closed; a session whose connection broke
    waits `grace_s`; a message may have `max_message_kb` KiB. A viewer of a caption room that takes
    nothing for `stall_s` is closed. `publish_token` and `view_token` are what speakers and viewers
    of rooms must know; empty: nothing.
    """

    max_upload_bytes: int
    max_uploads: int
    timeout_s: float
    idle_s: float = 60.0
    grace_s: float = 30.0
    max_message_kb: int = 1024
    stall_s: float = 20.0
    publish_token: str = ""
    view_token: str = ""


@dataclass(slots=True)
class AppContext:
    """What every door is given, and the count of uploads under way."""

    service: Service
    limits: AccessLimits
    running: int = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of `max_uploads` places; Overloaded, before the body is read, when none is free."""
        if self.running >= self.limits.max_uploads:
            raise Overloaded(
                "The server has too many uploads at once. Try again later.", retry_after_s=2.0
            )
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


def app_context(connection: HTTPConnection) -> AppContext:
    """The context of this app."""
    context: AppContext = connection.app.state.context
    return context


def make_caller(connection: HTTPConnection) -> Caller:
    """Who asks; before a WebSocket is accepted. The one place that says so."""
    limits = app_context(connection).limits
    return Caller(
        request_id=str(connection.state.request_id),
        scopes=ALL_SCOPES - missing_scopes(connection, limits.publish_token, limits.view_token),
    )


def read_store(connection: HTTPConnection) -> bool:
    """Whether `store=` lets the history keep what is said. Raises InvalidRequest."""
    try:
        return _YES_OR_NO.validate_python(connection.query_params.get("store", "true"))
    except ValidationError as error:
        raise InvalidRequest(
            "The parameter is 'true' or 'false'.", code="invalid_value", param="store"
        ) from error


Context = Annotated[AppContext, Depends(app_context)]
TheCaller = Annotated[Caller, Depends(make_caller)]


def owner(caller: TheCaller) -> str:
    """Whose data the caller may see and make."""
    return caller.owner


def cache_policy(request: Request) -> CachePolicy:
    """Whether a request wants cached results: not with `Cache-Control: no-store`."""
    wanted = request.headers.get("cache-control", "").lower().split(",")
    return CachePolicy(allowed="no-store" not in (part.strip() for part in wanted))


Owner = Annotated[str, Depends(owner)]
Cached = Annotated[CachePolicy, Depends(cache_policy)]
