"""Tokens that a browser may hold: short-lived, sealed, kept nowhere.

A token holds the settings of its session, so that every server with the same keys takes it.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import TypeAdapter

from zhiyin.access.ws.realtime.settings import SessionSettings
from zhiyin.domain.errors import CannotDecrypt, InvalidRequest, Unauthenticated
from zhiyin.ports.cipher import Cipher

PREFIX = "ek_"
MAX_CHARS = 4096  # a header may hold 8 KiB in nginx and in uvicorn
_IDENTITY = "realtime/token"
_SETTINGS = TypeAdapter(SessionSettings)


@dataclass(frozen=True, slots=True)
class Token:
    """A token, the Unix second when it expires, and the settings its sessions begin with."""

    value: str
    expires_at: int
    settings: SessionSettings


class Tokens:
    """Sealed by `cipher`; `clock` gives Unix seconds."""

    def __init__(self, cipher: Cipher, clock: Callable[[], float] = time.time) -> None:
        self._cipher = cipher
        self._clock = clock

    def make(self, settings: SessionSettings, seconds: int) -> Token:
        """A new token, good for that long. Raises InvalidRequest when it would be too long."""
        expires_at = int(self._clock()) + seconds
        fields = [expires_at, _SETTINGS.dump_python(settings, mode="json")]
        sealed = self._cipher.seal(zlib.compress(json.dumps(fields).encode()), _IDENTITY)
        value = PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")
        if len(value) > MAX_CHARS:
            raise InvalidRequest(
                "The prompt and the keywords are too long for a token. Send them with "
                "session.update instead.",
                param="session",
            )
        return Token(value, expires_at, settings)

    def check(self, key: str) -> Token | None:
        """The token, None for a key of another kind. Raises Unauthenticated when it is not good."""
        if not key.startswith(PREFIX):
            return None
        try:
            token = self._read(key)
        except (CannotDecrypt, binascii.Error, ValueError, zlib.error):
            token = None
        if token is None or token.expires_at <= self._clock():
            raise Unauthenticated("This token is unknown or has expired. Ask for another one.")
        return token

    def _read(self, key: str) -> Token:
        if len(key) > MAX_CHARS:
            raise ValueError(key[:3])
        packed = key.removeprefix(PREFIX)
        sealed = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        expires_at, settings = json.loads(zlib.decompress(self._cipher.open(sealed, _IDENTITY)))
        return Token(key, expires_at, _SETTINGS.validate_python(settings))
