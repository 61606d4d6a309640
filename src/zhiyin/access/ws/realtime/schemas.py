"""What clients send, validated. Two shapes of a session: today's nested one and the older flat one.

Fields that mean nothing here are listed, so that they are accepted; others are refused by name.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from zhiyin.access.validation import complaint
from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.languages import parse_language
from zhiyin.domain.live import MAX_LEAD_IN_S, MAX_RATE, MAX_SILENCE_S, MIN_RATE, MIN_SILENCE_S
from zhiyin.domain.options import MAX_HOTWORDS_CHARS, MAX_PROMPT_CHARS
from zhiyin.domain.script import Script


class Fields(BaseModel):
    """A set of fields; `model_fields_set` are those that were sent."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)


F = TypeVar("F", bound=Fields)


def _language(value: str) -> str:
    try:
        parse_language(value)
    except InvalidRequest as error:
        raise ValueError(error.message) from error
    return value


def _short(words: list[str]) -> list[str]:
    if len(", ".join(words)) > MAX_HOTWORDS_CHARS:
        raise ValueError(f"Together they may have {MAX_HOTWORDS_CHARS} characters.")
    return words


def _no_bool(value: object) -> object:
    """JSON's true is no number, though Python's is; a number as text is taken, as ever."""
    if isinstance(value, bool):
        raise ValueError("Input should be a number")
    return value


Number = BeforeValidator(_no_bool)
Language = Annotated[str, AfterValidator(_language)]
Keywords = Annotated[list[str], AfterValidator(_short)]


class Format(Fields):
    """Today's form of an audio format; samples a second, 24000 for PCM and 8000 for the others."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: Annotated[int | None, Number] = Field(None, ge=MIN_RATE, le=MAX_RATE)


class Transcription(Fields):
    """How speech becomes text; `script` is zhiyin's own.

    `delay` is accepted; text always comes as soon as it is settled.
    """

    model: str | None = Field(None, max_length=200)
    language: Language | None = None
    languages: list[Language] | None = Field(None, max_length=100)
    keywords: Keywords | None = None
    prompt: str | None = Field(None, max_length=MAX_PROMPT_CHARS)
    script: Script | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class TurnDetection(Fields):
    """When speech is over; the last four concern answers, which a transcription has none of."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: Annotated[float | None, Number] = Field(None, ge=0, le=1)
    prefix_padding_ms: Annotated[int | None, Number] = Field(
        None, ge=0, le=round(MAX_LEAD_IN_S * 1000)
    )
    silence_duration_ms: Annotated[int | None, Number] = Field(
        None, ge=round(MIN_SILENCE_S * 1000), le=round(MAX_SILENCE_S * 1000)
    )
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None
    idle_timeout_ms: int | None = None


class NoiseReduction(Fields):
    """Accepted and not applied."""

    type: Literal["near_field", "far_field"] | None = None
    strength: float | None = None


Include = list[Literal["item.input_audio_transcription.logprobs"]]


class Input(Fields):
    """Today's `session.audio.input`."""

    format: Format | None = None
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = None


class Audio(Fields):
    """Today's `session.audio`."""

    input: Input = Input()


class Session(Fields):
    """Today's `session`."""

    type: Literal["transcription"] = "transcription"
    audio: Audio = Audio()
    include: Include | None = None


class FlatSession(Fields):
    """The older `session`."""

    format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = Field(
        None, alias="input_audio_format"
    )
    transcription: Transcription | None = Field(None, alias="input_audio_transcription")
    noise_reduction: NoiseReduction | None = Field(None, alias="input_audio_noise_reduction")
    turn_detection: TurnDetection | None = None
    include: Include | None = None
    modalities: list[Literal["text", "audio"]] | None = None


class Lifetime(Fields):
    """Seconds that a token is good for."""

    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Number] = Field(600, ge=10, le=7200)


class SecretRequest(Fields):
    """POST /v1/realtime/client_secrets."""

    expires_after: Lifetime = Lifetime()
    session: Session = Session()


class FlatSecret(Fields):
    """The older form of a token's lifetime."""

    expires_at: Lifetime = Lifetime()


class FlatSecretRequest(FlatSession):
    """POST /v1/realtime/transcription_sessions."""

    client_secret: FlatSecret = FlatSecret()


_CODES = {"extra_forbidden": "unknown_parameter", "missing": "missing_required_parameter"}


def parse(kind: type[F], value: object, where: str) -> F:
    """Fields from JSON. Raises InvalidRequest that names the first wrong one under `where`."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join([where, *map(str, first["loc"])])
        message = complaint(first["msg"])
        code = _CODES.get(first["type"], "invalid_value")
        raise InvalidRequest(f"{param}: {message}", code=code, param=param) from error
