"""What clients send in text, validated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from zhiyin.access.json_types import Json
from zhiyin.access.validation import Language, missing, validated
from zhiyin.access.ws.json_messages import parse_object
from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.languages import parse_language
from zhiyin.domain.live import (
    MAX_LEAD_IN_S,
    MAX_RATE,
    MAX_SILENCE_S,
    MIN_RATE,
    MIN_SILENCE_S,
    Encoding,
    LiveDefaults,
    LiveOptions,
)
from zhiyin.domain.options import MAX_HOTWORDS_CHARS, MAX_PROMPT_CHARS, DecodeOptions, TextOptions
from zhiyin.domain.script import Script, script_of_tag


def _bounded(words: str | list[str]) -> str:
    text = words if isinstance(words, str) else ", ".join(words)
    if len(text) > MAX_HOTWORDS_CHARS:
        raise ValueError(f"they have more than {MAX_HOTWORDS_CHARS} characters")
    return text


Hotwords = Annotated[str | list[str], AfterValidator(_bounded)]


class Fields(BaseModel):
    """A message; unknown fields are refused by name, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Start(Fields):
    """Opens a session. `silence_ms` null leaves the ends of segments to commits."""

    type: Literal["start"]
    model: str = Field("", max_length=200)
    language: Language | None = Field(None, max_length=40)
    prompt: str = Field("", max_length=MAX_PROMPT_CHARS)
    hotwords: Hotwords = ""
    encoding: Encoding = "s16le"
    sample_rate: int = Field(16_000, ge=MIN_RATE, le=MAX_RATE)
    words: bool = False
    partials: bool = True
    silence_ms: int | None = Field(None, ge=MIN_SILENCE_S * 1000, le=MAX_SILENCE_S * 1000)
    prefix_padding_ms: int = Field(300, ge=0, le=MAX_LEAD_IN_S * 1000)
    threshold: float = Field(0.5, ge=0.1, le=0.95)
    store: bool = True
    script: Script = ""

    def options(self, defaults: LiveDefaults) -> LiveOptions:
        """For the session; `defaults` stand for fields that were not sent."""
        sent = self.model_fields_set
        silence_s = None if self.silence_ms is None else self.silence_ms / 1000
        lead_in_s = self.prefix_padding_ms / 1000
        decode = DecodeOptions(
            language=parse_language(self.language or ""),
            prompt=self.prompt,
            hotwords=_bounded(self.hotwords),
        )
        return LiveOptions(
            self.model, decode,
            silence_s=silence_s if "silence_ms" in sent else defaults.silence_s,
            threshold=self.threshold if "threshold" in sent else defaults.threshold,
            lead_in_s=lead_in_s if "prefix_padding_ms" in sent else defaults.lead_in_s,
            partials=self.partials,
            text=TextOptions(self.script or script_of_tag(self.language or "")),
        )  # fmt: skip


class Resume(Fields):
    """Goes on with a session whose connection was lost, after the last event that came."""

    type: Literal["resume"]
    session_id: str = Field(max_length=100)
    last_event: int = Field(0, ge=0)


class Control(Fields):
    """A control message: the open segment ends, the stream ends, or keep-alive."""

    type: Literal["commit", "eof", "ping"]


def read_first(text: str) -> Start | Resume:
    """The first message of a connection. Raises InvalidRequest."""
    fields = _fields(text)
    if fields["type"] == "start":
        return validated(Start, fields)
    if fields["type"] == "resume":
        return validated(Resume, fields)
    raise InvalidRequest(
        'The first message must be of type "start" or "resume".', code="not_started", param="type"
    )


def read(text: str) -> Control:
    """A later message. Raises InvalidRequest."""
    fields = _fields(text)
    if fields["type"] in ("start", "resume"):
        raise InvalidRequest(
            "The session has started already.", code="started_already", param="type"
        )
    return validated(Control, fields)


def _fields(text: str) -> Json:
    fields = parse_object(text)
    if "type" not in fields:
        raise missing("type")
    return fields
