"""The events of a client, read from text. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection
from dataclasses import dataclass

from zhiyin.access.json_types import Json
from zhiyin.access.ws.realtime.schemas import FlatSession, Input, Session, parse
from zhiyin.domain.errors import InvalidRequest, TooLarge

MAX_AUDIO_BYTES = 15 << 20
MAX_MESSAGE_BYTES = (MAX_AUDIO_BYTES * 4) // 3 + (64 << 10)
"""Of a WebSocket message: that much audio in base64, and what stands around it."""

MAX_ID_CHARS = 512
_FLAT_NAMES = frozenset(f.alias or name for name, f in FlatSession.model_fields.items()) - {
    "include"
}


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """An event: its type, the client's own id for it, and all of its fields."""

    kind: str
    event_id: str | None
    fields: Json


def read(message: str | bytes) -> ClientEvent:
    """The event in a message. Raises InvalidRequest when there is none."""
    if isinstance(message, bytes):
        raise InvalidRequest(
            "Binary messages are not understood; audio comes in base64, in "
            "input_audio_buffer.append.",
            code="invalid_event",
        )
    try:
        raw = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The message is not JSON.", code="invalid_json") from error
    if not isinstance(raw, dict):
        raise InvalidRequest("The message is not a JSON object.", code="invalid_json")
    try:
        # Sound in base64 is long, and checked when it is decoded.
        rest = {key: value for key, value in raw.items() if key != "audio"}
        json.dumps(rest, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The message holds half a character.", code="invalid_json") from error
    event_id = raw.get("event_id")
    known = event_id if isinstance(event_id, str) and len(event_id) <= MAX_ID_CHARS else None
    kind = raw.get("type")
    return ClientEvent(kind if isinstance(kind, str) else "", known, raw)


def check_kind(event: ClientEvent, known: Collection[str]) -> str:
    """The event's type, one of those. Raises InvalidRequest."""
    if not event.kind:
        raise _missing("type")
    if event.kind not in known:
        names = ", ".join(f"'{name}'" for name in known)
        raise InvalidRequest(
            f"Invalid value: '{event.kind[:80]}'. Supported values are: {names}.",
            code="invalid_value",
            param="type",
        )
    return event.kind


def audio_of(event: ClientEvent) -> bytes:
    """The bytes of an append. Raises InvalidRequest or TooLarge."""
    audio = event.fields.get("audio")
    if audio is None:
        raise _missing("audio")
    try:
        if not isinstance(audio, str):
            raise ValueError
        data = base64.b64decode(audio, validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest(
            "Invalid 'audio'. Expected base64-encoded audio bytes.",
            code="invalid_value",
            param="audio",
        ) from error
    if len(data) > MAX_AUDIO_BYTES:
        raise TooLarge("An event may bring at most 15 MiB of audio.", param="audio")
    return data


def session_of(event: ClientEvent) -> Input | FlatSession:
    """The fields of an update. Raises InvalidRequest that names a wrong one."""
    older = event.kind.startswith("transcription_")
    raw = event.fields.get("session")
    if raw is None and older:
        # OpenAI's guide showed the older event with its fields at the top.
        raw = {k: v for k, v in event.fields.items() if k not in ("type", "event_id")}
    if not isinstance(raw, dict) or not raw:
        raise _missing("session")
    if "audio" not in raw and (older or _FLAT_NAMES & raw.keys()):
        return parse(FlatSession, raw, "session")
    return parse(Session, raw, "session").audio.input


def _missing(param: str) -> InvalidRequest:
    message = f"Missing required parameter: '{param}'."
    return InvalidRequest(message, code="missing_required_parameter", param=param)
