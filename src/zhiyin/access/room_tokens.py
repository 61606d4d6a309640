"""Authorization of caption rooms by the operator's tokens for speakers and viewers."""

from __future__ import annotations

import base64
import hmac

from starlette.requests import HTTPConnection

from zhiyin.domain.caller import Caller, Scope
from zhiyin.domain.errors import Unauthenticated

SUBPROTOCOL = "captions"
"""What the server selects of the subprotocols that a browser offers."""

_TOKEN = "captions-token."  # noqa: S105 (no secret)


def missing_scopes(connection: HTTPConnection, publish: str, view: str) -> frozenset[Scope]:
    """Room scopes whose token the client does not have; an empty one lets all in."""
    given = _given(connection)
    tokens: dict[Scope, str] = {"captions:publish": publish, "captions:view": view}
    return frozenset(
        scope
        for scope, token in tokens.items()
        if token and not hmac.compare_digest(given, token.encode())
    )


def _given(connection: HTTPConnection) -> bytes:
    """The token in `token=`, else the bearer's, else that of a subprotocol."""
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    plain = connection.query_params.get("token") or bearer
    if plain:
        return plain.encode()
    offered: list[str] = connection.scope.get("subprotocols", [])
    sealed = next((p.removeprefix(_TOKEN) for p in offered if p.startswith(_TOKEN)), "")
    try:
        return base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    except ValueError:
        return b""


def require(caller: Caller, scope: Scope) -> None:
    """Raise Unauthenticated unless the caller has the scope."""
    if scope not in caller.scopes:
        raise Unauthenticated("The token of this room is wrong or missing.", param="token")
