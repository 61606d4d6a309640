"""The caller of a request: owner, request id, scopes; from every API down to the scheduler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

ANONYMOUS = "anonymous"
"""The owner of all data, as long as there are no API keys."""

Scope = Literal[
    "recognize", "stream", "captions:publish", "captions:view", "jobs", "history", "admin"
]

ALL_SCOPES: frozenset[Scope] = frozenset(
    {"recognize", "stream", "captions:publish", "captions:view", "jobs", "history", "admin"}
)


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """`max_requests` of an owner are in the engine's queue at once; None: as many as it takes."""

    max_requests: int | None = None


_UNLIMITED = CallerLimits()


@dataclass(frozen=True, slots=True)
class Origin:
    """What is stored of a caller: whose it is, by which request, through which API."""

    owner: str
    request_id: str
    door: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Made once per request, by the access layer; a WebSocket's before it is accepted.

    `owner` owns the data and has a fair share of the engine, `request_id` names the request
    (or the session or job) in log and history, `door` says through which API it came. Without
    `store` no transcript is kept.
    """

    owner: str = ANONYMOUS
    request_id: str = ""
    door: str = ""
    store: bool = True
    scopes: frozenset[Scope] = ALL_SCOPES
    limits: CallerLimits = _UNLIMITED

    @property
    def origin(self) -> Origin:
        """For what is stored."""
        return Origin(self.owner, self.request_id, self.door)

    def at(self, door: str, *, store: bool = True, request_id: str = "") -> Caller:
        """The same caller of an API, under another id if one is given."""
        return replace(self, door=door, store=store, request_id=request_id or self.request_id)
