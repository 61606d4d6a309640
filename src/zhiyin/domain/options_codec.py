"""Options of a request as bytes that outlive the process, and back."""

from __future__ import annotations

import json

from zhiyin.domain.json_object import from_object, to_json, to_object
from zhiyin.domain.options import DecodeOptions, TextOptions, TranscribeOptions


def dump_options(options: TranscribeOptions) -> bytes:
    """All of them, in one order: equal options give equal bytes."""
    body = to_object(options) | {"decode": to_object(options.decode)}
    if options.track is None:
        del body["track"]
    if options.text == TextOptions():  # as before there were any: equal requests stay equal
        del body["text"]
    else:
        body["text"] = to_object(options.text)
    return to_json(body).encode()


def load_options(data: bytes) -> TranscribeOptions:
    """What this or an older version of `dump_options` wrote."""
    body = json.loads(data)
    decode = from_object(DecodeOptions, body["decode"])
    text = from_object(TextOptions, body.get("text", {}))
    return from_object(TranscribeOptions, body, decode=decode, text=text)
