"""The settings of a transcription session, and how updates change them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from zhiyin.access.json_types import Json
from zhiyin.access.ws.realtime.schemas import (
    FlatSession,
    Format,
    Input,
    Transcription,
    TurnDetection,
)
from zhiyin.domain.languages import parse_language
from zhiyin.domain.live import AudioFormat, Encoding, LiveDefaults, LiveOptions
from zhiyin.domain.options import DecodeOptions, TextOptions
from zhiyin.domain.script import Script, script_of_tags

_ENCODINGS: dict[str, tuple[Encoding, int]] = {
    "audio/pcm": ("s16le", 24_000),
    "audio/pcmu": ("mulaw", 8_000),
    "audio/pcma": ("alaw", 8_000),
}
_FLAT = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_FLAT_NAMES = {name: flat for flat, name in _FLAT.items()}


@dataclass(frozen=True, slots=True)
class Sound:
    """What the bytes of a client are: a name of `audio/...`, samples a second, mono."""

    name: str = "audio/pcm"
    rate: int = 24_000

    @property
    def audio_format(self) -> AudioFormat:
        """For the session."""
        return AudioFormat(_ENCODINGS[self.name][0], self.rate)


@dataclass(frozen=True, slots=True)
class Turns:
    """Speech of probability `threshold` begins a segment, `silence_ms` of silence end it."""

    threshold: float = 0.5
    padding_ms: int = 300
    silence_ms: int = 500

    @staticmethod
    def by(defaults: LiveDefaults) -> Turns:
        """What applies to clients that don't say."""
        lead_in_ms, silence_ms = (round(s * 1000) for s in (defaults.lead_in_s, defaults.silence_s))
        return Turns(defaults.threshold, lead_in_ms, silence_ms)


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """All that a client can set. Without `turns` a segment ends when the client commits."""

    sound: Sound = Sound()
    model: str = ""
    language: str = ""
    languages: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    prompt: str = ""
    script: Script = ""
    turns: Turns | None = Turns()

    def options(self) -> LiveOptions:
        """For the core."""
        only = self.languages[0] if len(self.languages) == 1 else ""
        decode = DecodeOptions(
            language=parse_language(self.language or only),
            prompt=self.prompt,
            hotwords=", ".join(self.keywords),
        )
        text = TextOptions(self.script or script_of_tags([self.language, *self.languages]))
        if self.turns is None:
            return LiveOptions(self.model, decode, silence_s=None, text=text)
        turns = self.turns
        return LiveOptions(
            self.model, decode, silence_s=turns.silence_ms / 1000, threshold=turns.threshold,
            lead_in_s=turns.padding_ms / 1000, text=text,
        )  # fmt: skip

    def updated(self, fields: Input | FlatSession, defaults: LiveDefaults) -> SessionSettings:
        """With the fields that were sent; null means the default, for turns none."""
        sent = fields.model_fields_set
        new = self
        if "format" in sent:
            new = replace(new, sound=_sound(fields.format))
        if "transcription" in sent:
            new = _transcribed(new, fields.transcription)
        if "turn_detection" in sent:
            new = replace(new, turns=_turns(self.turns, fields.turn_detection, Turns.by(defaults)))
        return new

    def nested(self) -> Json:
        """Today's form of `session`, as it is in force."""
        sound: Json = {"type": self.sound.name}
        if self.sound.name == "audio/pcm" or self.sound != Sound(*_default(self.sound.name)):
            sound["rate"] = self.sound.rate
        given = {
            "format": sound,
            "transcription": self._transcription(),
            "noise_reduction": None,
            "turn_detection": self._turn_detection(),
        }
        return {"type": "transcription", "audio": {"input": given}}

    def flat(self) -> Json:
        """The older form of `session`, as it is in force."""
        return {
            "input_audio_format": _FLAT_NAMES[self.sound.name],
            "input_audio_transcription": self._transcription(),
            "input_audio_noise_reduction": None,
            "turn_detection": self._turn_detection(),
        }

    def _transcription(self) -> Json:
        shown: Json = {
            "model": self.model,
            "language": self.language or None,
            "prompt": self.prompt,
        }
        if self.languages:
            shown["languages"] = list(self.languages)
        if self.script:
            shown["script"] = self.script
        if self.keywords:
            shown["keywords"] = list(self.keywords)
        return shown

    def _turn_detection(self) -> Json | None:
        if self.turns is None:
            return None
        return {
            "type": "server_vad",
            "threshold": self.turns.threshold,
            "prefix_padding_ms": self.turns.padding_ms,
            "silence_duration_ms": self.turns.silence_ms,
        }


def _default(name: str) -> tuple[str, int]:
    return name, _ENCODINGS[name][1]


def _sound(sent: Format | str | None) -> Sound:
    if sent is None:
        return Sound()
    if isinstance(sent, str):
        return Sound(*_default(_FLAT[sent]))
    name, rate = _default(sent.type)
    return Sound(name, sent.rate or rate)


def _transcribed(old: SessionSettings, sent: Transcription | None) -> SessionSettings:
    if sent is None:
        return replace(old, language="", languages=(), keywords=(), prompt="", script="")
    new = old
    if sent.model:
        new = replace(new, model=sent.model)
    if "language" in sent.model_fields_set:
        new = replace(new, language=sent.language or "")
    if "languages" in sent.model_fields_set:
        new = replace(new, languages=tuple(sent.languages or ()))
    if "keywords" in sent.model_fields_set:
        new = replace(new, keywords=tuple(sent.keywords or ()))
    if "script" in sent.model_fields_set:
        new = replace(new, script=sent.script or "")
    if "prompt" in sent.model_fields_set:
        new = replace(new, prompt=sent.prompt or "")
    return new


def _turns(old: Turns | None, sent: TurnDetection | None, default: Turns) -> Turns | None:
    if sent is None:
        return None
    if sent.type == "semantic_vad":
        return default
    was = old or default
    return Turns(
        was.threshold if sent.threshold is None else sent.threshold,
        was.padding_ms if sent.prefix_padding_ms is None else sent.prefix_padding_ms,
        was.silence_ms if sent.silence_duration_ms is None else sent.silence_duration_ms,
    )
