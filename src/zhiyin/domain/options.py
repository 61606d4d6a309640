"""What a caller may ask for. Validated once, at the door; the same for all doors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zhiyin.domain.script import Script

Task = Literal["transcribe", "translate"]

MAX_PROMPT_CHARS = 2_000
MAX_HOTWORDS_CHARS = 1_000
MAX_BEAM = 10
MAX_TRACK = 1_000


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """What the engine needs to know of a clip.

    `language` is a code of `domain.languages` or None (detect). `temperature` 0 means greedy or
    beam search with the usual fallback; above 0 means sampling at that temperature.
    `beam_size` None leaves the choice to the model's policy.
    """

    language: str | None = None
    task: Task = "transcribe"
    prompt: str = ""
    hotwords: str = ""
    beam_size: int | None = None
    temperature: float = 0.0
    words: bool = False

    def text_language(self, spoken: str) -> str:
        """The language the text is written in: English after translation."""
        return "en" if self.task == "translate" else spoken


@dataclass(frozen=True, slots=True)
class TextOptions:
    """What is done to the text after the engine. `script` is how Chinese is written."""

    script: Script = ""


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """A whole request. `model` empty means the default; `vad` False decodes silence too.

    `previous_text` decodes the pieces of a long recording one after another, each with the text
    before it as context: names stay spelled alike, at the price of speed and of errors that spread.
    `track` is a sound track of the recording, counted from 1; None takes the one that fits best.
    """

    model: str = ""
    decode: DecodeOptions = DecodeOptions()
    vad: bool = True
    previous_text: bool = False
    text: TextOptions = TextOptions()
    track: int | None = None
