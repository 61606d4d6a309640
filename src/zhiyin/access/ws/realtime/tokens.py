"""Tokens that a browser may hold: random, short-lived, in memory."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from zhiyin.access.ws.realtime.settings import SessionSettings
from zhiyin.domain.errors import Overloaded, Unauthenticated

PREFIX = "ek_"


@dataclass(frozen=True, slots=True)
class Token:
    """A token, the Unix second when it expires, and the settings its sessions begin with."""

    value: str
    expires_at: int
    settings: SessionSettings


class Tokens:
    """At most `most` tokens that are still good; `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time, most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._tokens: dict[str, Token] = {}

    def make(self, settings: SessionSettings, seconds: int) -> Token:
        """A new token, good for that long. Raises Overloaded."""
        now = self._clock()
        if len(self._tokens) >= self._most:
            self._tokens = {v: t for v, t in self._tokens.items() if t.expires_at > now}
        if len(self._tokens) >= self._most:
            raise Overloaded("Too many tokens are in use. Try again later.", retry_after_s=10.0)
        value = PREFIX + secrets.token_hex(24)
        token = Token(value, int(now) + seconds, settings)
        self._tokens[value] = token
        return token

    def check(self, key: str) -> Token | None:
        """The token, None for a key of another kind. Raises Unauthenticated when it is not good."""
        if not key.startswith(PREFIX):
            return None
        token = self._tokens.get(key)
        if token is None or token.expires_at <= self._clock():
            self._tokens.pop(key, None)
            raise Unauthenticated("This token is unknown or has expired. Ask for another one.")
        return token
