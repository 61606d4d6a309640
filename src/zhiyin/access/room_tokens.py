"""Authorization of caption rooms by the operator's tokens for speakers and viewers."""

from __future__ import annotations

import hmac

from starlette.requests import HTTPConnection

from zhiyin.domain.caller import Caller, Scope
from zhiyin.domain.errors import Unauthenticated


def missing_scopes(connection: HTTPConnection, publish: str, view: str) -> frozenset[Scope]:
    """Room scopes whose token neither `token=` nor the bearer matches; an empty one lets all in."""
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    given = (connection.query_params.get("token") or bearer).encode()
    tokens: dict[Scope, str] = {"captions:publish": publish, "captions:view": view}
    return frozenset(
        scope
        for scope, token in tokens.items()
        if token and not hmac.compare_digest(given, token.encode())
    )


def require(caller: Caller, scope: Scope) -> None:
    """Raise Unauthenticated unless the caller has the scope."""
    if scope not in caller.scopes:
        raise Unauthenticated("The token of this room is wrong or missing.", param="token")
