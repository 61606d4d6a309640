"""Request context for HTTP and WebSocket: services, limits, the caller, upload slots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

_YES_OR_NO = TypeAdapter(bool)


class Service(Protocol):
    """The part of `wiring.Services` that the access layer uses."""

    @property
    def registry(self) -> Registry:
        """Models."""
        ...

    @property
    def recognition(self) -> RecognitionService:
        """Recognition, with history."""
        ...

    @property
    def history(self) -> History:
        """Kept transcripts."""
        ...

    @property
    def live(self) -> LiveService:
        """Live sessions."""
        ...

    @property
    def rooms(self) -> Rooms:
        """Caption rooms."""
        ...

    @property
    def jobs(self) -> JobRuntime:
        """Asynchronous jobs."""
        ...

    @property
    def erasure(self) -> Erasure:
        """Erasure of an owner's data."""
        ...

    @property
    def token_cipher(self) -> Cipher:
        """Seals short-lived tokens of clients."""
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
        """Parts that are unavailable while recognition goes on."""
        ...


@dataclass(frozen=True, slots=True)
class AccessLimits:
    """Limits of the access layer: bytes of an upload, concurrent uploads, seconds for a request.

    The body of a request may pause for `body_idle_s` and has to come at `body_bytes_s` or more;
    uploads that arrive may have `max_arriving_bytes` together.
    A live connection that sends nothing for `idle_s` is closed, and one that sends no sound for
    `max_idle_s`, whatever else it sends; a session whose connection broke
    waits `grace_s`; a message may have `max_message_kb` KiB. A viewer of a caption room that takes
    nothing for `stall_s` is closed. `publish_token` and `view_token` are required of speakers and
    viewers of rooms; empty: no token.
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
    max_idle_s: float = 3600.0
    body_idle_s: float = 30.0
    body_bytes_s: float = 1024.0
    max_arriving_bytes: int = 8 << 30


@dataclass(slots=True)
class AppContext:
    """Services and limits, the count of running uploads, and the bytes of those that arrive."""

    service: Service
    limits: AccessLimits
    running: int = 0
    arriving_bytes: int = 0

    @contextmanager
    def upload_slot(self) -> Iterator[None]:
        """Limits the uploads that are worked on: raises Overloaded.

        It is taken when the body has arrived, so that clients that stall hold none.
        """
        self.require_slot()
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    def require_slot(self) -> None:
        """Raise Overloaded when there is no slot: before a body is read for nothing."""
        if self.running >= self.limits.max_uploads:
            raise _too_many_uploads()


@contextmanager
def arriving(context: AppContext) -> Iterator[Callable[[int], None]]:
    """Counts the bytes of an upload while it arrives; the counter raises Overloaded.

    What has arrived of an upload is on disk.
    """
    mine = 0
    most = max(context.limits.max_arriving_bytes, context.limits.max_upload_bytes)

    def count(size: int) -> None:
        nonlocal mine
        if context.arriving_bytes + size > most:
            raise _too_many_uploads()
        context.arriving_bytes += size
        mine += size

    try:
        yield count
    finally:
        context.arriving_bytes -= mine


def _too_many_uploads() -> Overloaded:
    return Overloaded(
        "The server has too many uploads at once. Try again later.", retry_after_s=2.0
    )


def app_context(connection: HTTPConnection) -> AppContext:
    """The context of this app."""
    context: AppContext = connection.app.state.context
    return context


def make_caller(connection: HTTPConnection) -> Caller:
    """The caller of a request, or of a WebSocket before it is accepted; made nowhere else."""
    limits = app_context(connection).limits
    return Caller(
        request_id=str(connection.state.request_id),
        scopes=ALL_SCOPES - missing_scopes(connection, limits.publish_token, limits.view_token),
    )


def read_store(connection: HTTPConnection) -> bool:
    """The query parameter `store`: whether the transcript is kept. Raises InvalidRequest."""
    try:
        return _YES_OR_NO.validate_python(connection.query_params.get("store", "true"))
    except ValidationError as error:
        raise InvalidRequest(
            "The parameter is 'true' or 'false'.", code="invalid_value", param="store"
        ) from error


Context = Annotated[AppContext, Depends(app_context)]
TheCaller = Annotated[Caller, Depends(make_caller)]


def owner(caller: TheCaller) -> str:
    """The owner of the data that the caller may read and create."""
    return caller.owner


def cache_policy(request: Request) -> CachePolicy:
    """Cache policy of a request: `Cache-Control: no-store` bypasses the result cache."""
    wanted = request.headers.get("cache-control", "").lower().split(",")
    return CachePolicy(allowed="no-store" not in (part.strip() for part in wanted))


FOREIGN_PARAMETERS = frozenset(
    {"access_token", "api_key", "api-key", "apikey", "api-version", "key", "token"}
)
"""Parameters that are meant for what may stand in front of the server, and are passed over."""


def _no_parameters(request: Request) -> None:
    for name in request.query_params:
        if name not in FOREIGN_PARAMETERS:
            raise InvalidRequest(
                f"This address takes no parameters, and so no '{name[:40]}'.",
                code="unknown_parameter",
                param=name[:40],
            )


NO_PARAMETERS = Depends(_no_parameters)
"""Of routes that change something: a parameter that has no effect is a mistake of the caller."""

Owner = Annotated[str, Depends(owner)]
Cached = Annotated[CachePolicy, Depends(cache_policy)]
