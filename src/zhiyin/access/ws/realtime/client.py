"""The events of a client, read from text. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from zhiyin.access.json_types import Json
from zhiyin.access.ws.json_messages import MAX_CHARS, parse_object
from zhiyin.access.ws.realtime.schemas import FlatSession, Input, Session, parse
from zhiyin.domain.errors import InvalidRequest, TooLarge

MAX_AUDIO_BYTES = 15 << 20
MAX_MESSAGE_BYTES = (MAX_AUDIO_BYTES * 4) // 3 + MAX_CHARS
"""Of a WebSocket message: that much audio in base64, and what stands around it."""

MAX_ID_CHARS = 512
_PIECE_CHARS = 64 << 10  # of base64 at once
_AUDIO = re.compile(r'"audio"\s*:\s*"')
_ESCAPE_CHARS = 5  # of an escape that goes on
_ESCAPES = {"\\/": "/"} | {
    f"\\u00{code}": chr(int(code, 16)) for code in ("2b", "2B", "2f", "2F", "3d", "3D")
}
"""How encoders of JSON write characters of base64; letters and digits stay as they are."""
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
    """The event in a message. Raises InvalidRequest when there is none, TooLarge."""
    if isinstance(message, bytes):
        raise InvalidRequest(
            "Binary messages are not understood; audio comes in base64, in "
            "input_audio_buffer.append.",
            code="invalid_event",
        )
    rest, audio = _cut_out_audio(message)
    raw = parse_object(rest, "The message is not JSON.")
    if audio is not None and raw.get("audio") == "":
        raw["audio"] = audio
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


def audio_of(event: ClientEvent) -> str:
    """The audio of an append, as it stands in the JSON. Raises InvalidRequest."""
    audio = event.fields.get("audio")
    if audio is None:
        raise _missing("audio")
    if not isinstance(audio, str):
        raise _not_base64()
    return audio


def decoded(audio: str) -> Iterator[bytes]:
    """What base64 holds, in pieces that take no time. Raises InvalidRequest or TooLarge."""
    at, rest, size = 0, "", 0
    while at < len(audio):
        piece = audio[at : at + _PIECE_CHARS]
        if at + len(piece) < len(audio) and (cut := piece.rfind("\\", -_ESCAPE_CHARS)) > 0:
            piece = piece[:cut]  # no escape is cut in two
        at += len(piece)
        text = rest + _unescaped(piece)
        whole = len(text) if at == len(audio) else len(text) // 4 * 4
        rest = text[whole:]
        try:
            data = base64.b64decode(text[:whole], validate=True)
        except ValueError as error:
            raise _not_base64() from error
        if at < len(audio) and len(data) * 4 != whole * 3:
            raise _not_base64()  # padding before the end
        size += len(data)
        if size > MAX_AUDIO_BYTES:
            raise TooLarge("An event may bring at most 15 MiB of audio.", param="audio")
        yield data


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


def _cut_out_audio(message: str) -> tuple[str, str | None]:
    """The message with its first `audio` empty, and that text, which is not parsed as JSON.

    So the rest can have a limit that keeps parsing quick, however long the audio is.
    """
    found = _AUDIO.search(message, 0, MAX_CHARS)
    end = message.find('"', found.end()) if found else -1
    if found is None or end < 0:
        return message, None
    return message[: found.end()] + message[end:], message[found.end() : end]


def _unescaped(audio: str) -> str:
    if "\\" in audio:
        for escaped, character in _ESCAPES.items():
            audio = audio.replace(escaped, character)
    return audio


def _not_base64() -> InvalidRequest:
    return InvalidRequest(
        "Invalid 'audio'. Expected base64-encoded audio bytes.", code="invalid_value", param="audio"
    )


def _missing(param: str) -> InvalidRequest:
    message = f"Missing required parameter: '{param}'."
    return InvalidRequest(message, code="missing_required_parameter", param=param)
