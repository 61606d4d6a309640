"""JSON objects in text messages: bounded in size, and only text that can be sent back. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from zhiyin.access.json_types import Json
from zhiyin.domain.errors import InvalidRequest, TooLarge

MAX_CHARS = 128 << 10
"""Of a text message without audio."""

_MAX_PARTS = 4096  # objects and lists, which cost most; no message needs a hundred

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SHOWN_DIGITS = 400  # of an integer; no field has a use for a longer one
_NOT_JSON = "A text message must be JSON; sound is sent in binary messages."


def parse_object(text: str, not_json: str = _NOT_JSON) -> Json:
    """The object in a message. Raises TooLarge, InvalidRequest (`not_json` if it is none)."""
    check_length(text)
    if text.count("{") + text.count("[") > _MAX_PARTS:
        raise InvalidRequest(
            f"A text message may hold {_MAX_PARTS} objects and lists.", code="invalid_json"
        )
    try:
        fields = json.loads(text, parse_int=_integer)
        if _SURROGATE.search(text):
            for part in _texts(fields):
                part.encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(not_json, code="invalid_json") from error
    if not isinstance(fields, dict):
        raise InvalidRequest("A text message must be a JSON object.", code="invalid_json")
    return fields


def check_length(text: str) -> None:
    """Raise TooLarge for a text message, without its audio, that nothing could need."""
    if len(text) > MAX_CHARS:
        raise TooLarge(f"A text message may have {MAX_CHARS >> 10} KiB.", code="message_too_large")


def _integer(digits: str) -> int:
    if len(digits) > _SHOWN_DIGITS:
        raise ValueError("an integer of too many digits")
    return int(digits)


def _texts(value: object) -> Iterator[str]:
    """All keys and values that are text, however deep. A stack, for the depth is the client's."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            waiting += part.keys()
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
