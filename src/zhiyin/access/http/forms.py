"""Form fields of the HTTP API, validated, and their options for the core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from zhiyin.access.validation import Language
from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.job import MAX_URL_CHARS, JobRequest, Priority
from zhiyin.domain.languages import parse_language
from zhiyin.domain.options import (
    MAX_BEAM,
    MAX_HOTWORDS_CHARS,
    MAX_PROMPT_CHARS,
    MAX_TRACK,
    DecodeOptions,
    Task,
    TextOptions,
    TranscribeOptions,
)
from zhiyin.domain.script import Script, script_of_tags

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
Granularity = Literal["word", "segment"]


class OptionsForm(BaseModel):
    """Options of every recognition."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field("", max_length=200, description="Model id; GET /v1/models lists them.")
    prompt: str = Field(
        "",
        max_length=MAX_PROMPT_CHARS,
        description="Text that could have come before: names, spelling and style follow it.",
    )
    temperature: float = Field(
        0.0, ge=0, le=1, description="0: best hypothesis, with fallback; above: sampling."
    )
    hotwords: str = Field(
        "", max_length=MAX_HOTWORDS_CHARS, description="zhiyin: words that are likely to come."
    )
    beam_size: int | None = Field(
        None, ge=1, le=MAX_BEAM, description="zhiyin: width of the beam search."
    )
    vad: bool = Field(
        True, description="zhiyin: skip what is not speech; false decodes everything."
    )
    condition_on_previous_text: bool = Field(
        False, description="zhiyin: the text so far is context for the next piece; slower."
    )

    store: bool = Field(True, description="zhiyin: false keeps the transcript out of the history.")

    script: Script = Field(
        "", description="zhiyin: how Chinese is written; empty: as the language tag says."
    )
    track: int | None = Field(
        None,
        ge=1,
        le=MAX_TRACK,
        description="zhiyin: sound track, from 1; absent: the default, or the first with sound.",
    )

    def _options(
        self, language: str, task: Task, words: bool, tags: Sequence[str] = ()
    ) -> TranscribeOptions:
        """`tags` are further languages that may be spoken; they may name a script."""
        decode = DecodeOptions(
            language=parse_language(language),
            task=task,
            prompt=self.prompt,
            hotwords=self.hotwords,
            beam_size=self.beam_size,
            temperature=self.temperature,
            words=words,
        )
        return TranscribeOptions(
            model=self.model,
            decode=decode,
            vad=self.vad,
            previous_text=self.condition_on_previous_text,
            text=TextOptions(self.script or script_of_tags([language, *tags])),
            track=self.track,
        )


class BaseForm(OptionsForm):
    """Options of every synchronous endpoint."""

    response_format: ResponseFormat = Field("json", description="Form of the answer.")


class JobForm(OptionsForm):
    """POST /v1/jobs."""

    language: Language = Field("", description="Code or name; empty or 'auto' detects it.")
    task: Task = Field("transcribe", description="'translate' gives English text.")
    words: bool = Field(False, description="Times and confidence for every word.")
    priority: Literal["low", "normal", "high"] = Field("normal", description="Order in the queue.")
    url: str = Field(
        "", max_length=MAX_URL_CHARS, description="Instead of a file, where this server allows it."
    )
    webhook_url: str = Field(
        "",
        max_length=MAX_URL_CHARS,
        description="Notified when the job ends, where webhooks are set up.",
    )

    def request(self) -> JobRequest:
        """For the core."""
        options = self._options(self.language, self.task, self.words)
        priority = Priority[self.priority.upper()]
        return JobRequest(options, priority, self.url, self.webhook_url, self.store)


class RecognizeForm(BaseForm):
    """POST /recognize."""

    language: Language = Field("", description="Code or name; empty or 'auto' detects it.")
    task: Task = Field("transcribe", description="'translate' gives English text.")
    words: bool = Field(False, description="Times and confidence for every word.")
    stream: bool = Field(False, description="Server-sent events: progress, segments, result.")

    def options(self) -> TranscribeOptions:
        """For the core. Raises InvalidRequest for fields that do not go together."""
        if self.stream and self.response_format != "json":
            raise InvalidRequest(
                "stream=true goes with response_format json.",
                code="invalid_value",
                param="response_format",
            )
        return self._options(self.language, self.task, self.words)


class TranslationForm(BaseForm):
    """POST /v1/audio/translations (OpenAI)."""

    model: str = Field(max_length=200, description="Model id, or 'whisper-1' for the default.")

    def options(self) -> TranscribeOptions:
        """For the core."""
        return self._options("", "translate", False)


class TranscriptionForm(BaseForm):
    """POST /v1/audio/transcriptions (OpenAI)."""

    model: str = Field(max_length=200, description="Model id, or 'whisper-1' for the default.")
    language: Language = Field("", description="Code or name; absent detects it.")
    languages: list[Language] = Field([], max_length=100, description="One is like 'language'.")
    keywords: list[str] = Field([], max_length=200, description="Like 'hotwords'.")
    timestamp_granularities: list[Granularity] = Field(
        [], max_length=2, description="With verbose_json: 'segment' (default), 'word' or both."
    )
    stream: bool | None = Field(None, description="Server-sent events with text deltas.")
    chunking_strategy: str | None = Field(
        None, description="Accepted; zhiyin always cuts at pauses found by speech detection."
    )
    include: list[Literal["logprobs"]] = Field([], description="Not offered by Whisper models.")
    known_speaker_names: list[str] = Field([], description="Not offered.")
    known_speaker_references: list[str] = Field([], description="Not offered.")

    @property
    def granularities(self) -> frozenset[str]:
        """Timestamps in the response: of words, segments or both."""
        return frozenset(self.timestamp_granularities or ["segment"])

    def options(self) -> TranscribeOptions:
        """For the core. Raises InvalidRequest for OpenAI's options that are not offered."""
        self._refuse()
        language = self.language or (self.languages[0] if len(self.languages) == 1 else "")
        words = "word" in self.granularities
        if self.keywords:
            joined = ", ".join([*filter(None, [self.hotwords]), *self.keywords])
            self.hotwords = joined[:MAX_HOTWORDS_CHARS]
        return self._options(language, "transcribe", words, self.languages)

    def _refuse(self) -> None:
        for name in ("include", "known_speaker_names", "known_speaker_references"):
            if getattr(self, name):
                raise InvalidRequest(
                    f"The field '{name}' is not supported by this model.",
                    code="unsupported_parameter",
                    param=name,
                )
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise InvalidRequest(
                "'timestamp_granularities' needs response_format=verbose_json.",
                code="invalid_value",
                param="timestamp_granularities",
            )
        if self.stream and self.response_format not in ("json", "text"):
            raise InvalidRequest(
                "stream=true goes with response_format json or text.",
                code="invalid_value",
                param="response_format",
            )
