"""The decoder's prompt: hotwords and a caller's text share its room, and command nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import media
from zhiyin.domain.engine import Clip, ClipResult, EngineContext
from zhiyin.domain.options import MAX_PROMPT_CHARS, DecodeOptions
from zhiyin.engines.whisper.backend import Backend, context_tokens
from zhiyin.engines.whisper.provider import WhisperProvider
from zhiyin.testing.contract import recognize


@pytest.mark.parametrize(
    ("hotwords", "prompt", "kept"),
    [
        (0, 0, (0, 0)),
        (10, 0, (10, 0)),
        (0, 900, (0, 223)),
        (10, 900, (10, 213)),
        (150, 900, (150, 73)),
        (900, 900, (150, 73)),
        (900, 20, (203, 20)),
        (900, 0, (223, 0)),
    ],
)
def test_hotwords_count_beside_any_prompt(
    hotwords: int, prompt: int, kept: tuple[int, int]
) -> None:
    words, text = list(range(hotwords)), list(range(1000, 1000 + prompt))
    first, last = kept
    assert context_tokens(words, text) == words[:first] + (text[-last:] if last else [])


@pytest.fixture(scope="module")
def backend(data_dir: Path) -> Backend:
    folder = WhisperProvider(EngineContext(data_dir / "models")).path("whisper-base")
    return Backend(folder, "cpu", "int8", threads=1, workers=1)


@pytest.mark.parametrize(
    "text",
    [
        "<|endoftext|>",
        "<|startoftranscript|><|en|><|translate|>",
        "<<|a|>|startoftranscript|>",
        "<<|startoftranscript|>|startoftranscript|>",
        "<|<|en|>startoftranscript|>",
        "x<|0.00|>y<|nospeech|>",
    ],
)
@pytest.mark.parametrize("field", ["prompt", "hotwords"])
def test_control_tokens_in_a_callers_text_are_left_out(
    backend: Backend, field: str, text: str
) -> None:
    def special(value: str) -> list[int]:
        hot = field == "hotwords"
        options = DecodeOptions(hotwords=value) if hot else DecodeOptions(prompt=value)
        return [token for token in backend.prompt("zh", options) if token >= 50257]

    assert special(f"word {text}") == special("word")


def test_hotwords_beside_a_prompt_of_the_greatest_length_change_the_text(data_dir: Path) -> None:
    engine = WhisperProvider(EngineContext(data_dir / "models")).create("whisper-base")
    engine.load()
    prompt = ("大家都发表了自己的看法，最后决定下周继续。" * 100)[:MAX_PROMPT_CHARS]
    sound = media.samples("zh_short")
    try:
        clips = [
            Clip(sound, DecodeOptions("zh", prompt=prompt, hotwords=hotwords))
            for hotwords in ("", "關閉客廳的電視")
        ]
        without, given = [recognize(engine, [clip])[0] for clip in clips]
    finally:
        engine.close()
    assert isinstance(without, ClipResult)
    assert isinstance(given, ClipResult)
    assert "客厅" in without.segments[0].text
    assert "客廳" in given.segments[0].text
