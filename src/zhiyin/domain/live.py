"""Options and events of live sessions. All times are seconds of audio received."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.options import DecodeOptions, TextOptions
from zhiyin.domain.transcript import Word

Reason = Literal["vad", "commit", "split", "eof"]
"""Why a segment ended: silence, the client's commit, its length, the end of the stream."""

Encoding = Literal["s16le", "f32le", "mulaw", "alaw", "webm", "ogg"]
"""Mono samples, little-endian, or a container as a browser's MediaRecorder writes it."""

CONTAINERS: frozenset[Encoding] = frozenset({"webm", "ogg"})

MIN_RATE = 8_000
MAX_RATE = 96_000
MIN_SILENCE_S = 0.1
MAX_SILENCE_S = 5.0
MAX_LEAD_IN_S = 5.0


def parse_encoding(value: str) -> Encoding:
    """An encoding by its name. Raises InvalidRequest."""
    if value not in get_args(Encoding):
        known = ", ".join(get_args(Encoding))
        raise InvalidRequest(
            f"'{value[:40]}' is no encoding this service knows. Use one of {known}.",
            param="encoding",
        )
    return cast("Encoding", value)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What a client's bytes are: mono, `sample_rate` in hertz; a container has its own.

    Raises InvalidRequest when raw samples have a rate out of bounds.
    """

    encoding: Encoding = "s16le"
    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        if self.encoding not in CONTAINERS and not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise InvalidRequest(
                f"A sample rate of {self.sample_rate} Hz is not between {MIN_RATE} and {MAX_RATE}.",
                code="invalid_value",
                param="sample_rate",
            )


@dataclass(frozen=True, slots=True)
class LiveDefaults:
    """For sessions whose client does not say, in every protocol; fields as in `LiveOptions`."""

    silence_s: float = 0.5
    threshold: float = 0.5
    lead_in_s: float = 0.3


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Options of one session. `model` empty means the default.

    `silence_s` of silence ends a segment; None leaves segments to the client's commits (and to the
    length limit). `threshold` is the speech probability that counts as speech; a segment begins
    `lead_in_s` before it.
    """

    model: str = ""
    decode: DecodeOptions = field(default_factory=DecodeOptions)
    silence_s: float | None = 0.5
    threshold: float = 0.5
    lead_in_s: float = 0.3
    partials: bool = True
    text: TextOptions = field(default_factory=TextOptions)


@dataclass(frozen=True, slots=True)
class Received:
    """How much of a stream has come: bytes as they were sent, seconds of sound in them."""

    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """A segment was opened; `start` lies a little before its speech."""

    segment_id: int
    start: float


@dataclass(frozen=True, slots=True)
class Partial:
    """The text of an open segment: `stable` only grows, `unstable` may change.

    The whole is `stable + unstable`.
    """

    segment_id: int
    seq: int
    stable: str
    unstable: str
    audio_end: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """A segment's audio is complete."""

    segment_id: int
    end: float


@dataclass(frozen=True, slots=True)
class Final:
    """A segment's text, for good; one per segment, in order. It begins with the stable text.

    `display` is what people read, empty when it is the same.

    `degraded`: the engine failed on it, and the text is what partial results had given.
    """

    segment_id: int
    text: str
    start: float
    end: float
    language: str
    confidence: float
    reason: Reason
    words: tuple[Word, ...] = ()
    degraded: bool = False
    display: str = ""

    @property
    def shown(self) -> str:
        """The display text."""
        return self.display or self.text


@dataclass(frozen=True, slots=True)
class Warned:
    """Quality has changed."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Done:
    """The stream has ended and all events were emitted."""

    received_s: float
    decoded_s: float
    segments: int


LiveEvent = SpeechStarted | Partial | SpeechEnded | Final | Warned | Done
