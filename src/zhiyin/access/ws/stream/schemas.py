"""What clients send in text, validated."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.languages import parse_language
from zhiyin.domain.live import (
    MAX_RATE,
    MAX_SILENCE_S,
    MIN_RATE,
    MIN_SILENCE_S,
    Encoding,
    LiveOptions,
)
from zhiyin.domain.options import MAX_HOTWORDS_CHARS, MAX_PROMPT_CHARS, DecodeOptions


class Fields(BaseModel):
    """A message; unknown fields are refused by name."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Start(Fields):
    """Opens a session. `silence_ms` null leaves the ends of segments to commits."""

    type: Literal["start"]
    model: str = Field("", max_length=200)
    language: str | None = Field(None, max_length=40)
    prompt: str = Field("", max_length=MAX_PROMPT_CHARS)
    hotwords: str = Field("", max_length=MAX_HOTWORDS_CHARS)
    encoding: Encoding = "s16le"
    sample_rate: int = Field(16_000, ge=MIN_RATE, le=MAX_RATE)
    words: bool = False
    partials: bool = True
    silence_ms: int | None = Field(500, ge=MIN_SILENCE_S * 1000, le=MAX_SILENCE_S * 1000)
    threshold: float = Field(0.5, ge=0.1, le=0.95)
    store: bool = True

    def options(self) -> LiveOptions:
        """For the service. Raises InvalidRequest for an unknown language."""
        decode = DecodeOptions(
            language=parse_language(self.language or ""),
            prompt=self.prompt,
            hotwords=self.hotwords,
        )
        silence_s = None if self.silence_ms is None else self.silence_ms / 1000
        return LiveOptions(
            self.model,
            decode,
            silence_s=silence_s,
            threshold=self.threshold,
            partials=self.partials,
        )


class Resume(Fields):
    """Goes on with a session whose connection was lost, after the last event that came."""

    type: Literal["resume"]
    session_id: str = Field(max_length=100)
    last_event: int = Field(0, ge=0)


class Commit(Fields):
    """Ends the open segment."""

    type: Literal["commit"]


class Eof(Fields):
    """No more sound comes."""

    type: Literal["eof"]


class Ping(Fields):
    """Keeps the connection alive."""

    type: Literal["ping"]


Message = Start | Resume | Commit | Eof | Ping
_READER: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def read(text: str) -> Message:
    """The message. Raises InvalidRequest that says what is wrong with it."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            "The text message is not JSON. Sound is sent in binary messages.", code="invalid_json"
        ) from error
    try:
        return _READER.validate_python(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = [str(part) for part in first["loc"][1:]]
        param = where[-1] if where else "type"
        raise InvalidRequest(f"{param}: {first['msg']}.", param=param) from error
