"""What sessions, tokens and errors look like on the wire."""

from __future__ import annotations

import uuid

from zhiyin.access.json_types import Json
from zhiyin.access.ws import errors
from zhiyin.access.ws.realtime.settings import SessionSettings
from zhiyin.access.ws.realtime.tokens import Token
from zhiyin.domain.errors import AsrError


def new_id(prefix: str) -> str:
    """A random id."""
    return f"{prefix}_{uuid.uuid4().hex[:24]}"


def session(settings: SessionSettings, session_id: str, expires_at: int, *, flat: bool) -> Json:
    """A session as it is in force; `expires_at` is a Unix second."""
    return {
        "id": session_id,
        "object": "realtime.transcription_session",
        "expires_at": expires_at,
        **(settings.flat() if flat else settings.nested()),
    }


def client_secret(token: Token) -> Json:
    """The answer of `client_secrets`."""
    view = session(token.settings, new_id("sess"), token.expires_at, flat=False)
    return {"value": token.value, "expires_at": token.expires_at, "session": view}


def transcription_session(token: Token) -> Json:
    """The answer of the older `transcription_sessions`."""
    secret = {"value": token.value, "expires_at": token.expires_at}
    view = session(token.settings, new_id("sess"), token.expires_at, flat=True)
    return {**view, "client_secret": secret}


def error_event(problem: AsrError) -> Json:
    """An error that no event of the client made."""
    return {"type": "error", "event_id": new_id("event"), "error": error(problem, None)}


def error(problem: AsrError, event_id: str | None) -> Json:
    """The `error` field of an error event; `event_id` is that of the client's event."""
    return {**errors.fields(problem), "event_id": event_id}
