"""Tokens that the operator gives to speakers and viewers."""

from __future__ import annotations

import hmac

from starlette.requests import HTTPConnection

from zhiyin.domain.errors import Unauthenticated


def check(connection: HTTPConnection, wanted: str) -> None:
    """Raise Unauthenticated unless `token=` or the bearer is the token; empty: anything will do."""
    bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
    given = connection.query_params.get("token") or bearer
    if wanted and not hmac.compare_digest(given.encode(), wanted.encode()):
        raise Unauthenticated("The token of this room is wrong or missing.", param="token")
