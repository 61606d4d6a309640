"""Where nothing is said, nothing is written: every noise, length and forced language."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from tests.support.noises import NOISES
from zhiyin.config import load
from zhiyin.core.recognition.transcriber import Transcriber
from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import Clip
from zhiyin.domain.languages import LANGUAGES
from zhiyin.domain.options import DecodeOptions, TranscribeOptions
from zhiyin.domain.source import AudioSource
from zhiyin.engines.whisper.engine import WhisperEngine
from zhiyin.engines.whisper.provider import WhisperProvider
from zhiyin.testing import recognize
from zhiyin.wiring import build
from zhiyin.wiring.engines import providers

LENGTHS = (1, 7, 30, 60)
FORCED = ("en", "zh", "ja", "ko", "de", "fr", "es", "ru", "ar", "hi", "vi", "tr", None)


def _wav(samples: Samples) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def transcriber(data_dir: Path) -> AsyncIterator[Transcriber]:
    """With the model loaded once for all noises."""
    async with build(load(data_dir=data_dir)) as services:
        yield services.transcriber


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", NOISES)
async def test_noise_gives_no_text(transcriber: Transcriber, name: str) -> None:
    for seed, seconds in enumerate(LENGTHS):
        body = _wav(NOISES[name](seconds, seed))
        for language in ("en", "zh", None):
            options = TranscribeOptions(decode=DecodeOptions(language=language))
            source = AudioSource(io.BytesIO(body), len(body))
            transcript = await transcriber.transcribe(source, options, Caller())
            assert transcript.text == "", f"{name}, {seconds} s, {language}"
            codes = {notice.code for notice in transcript.notices}
            assert codes - ({"music"} if name == "tones" else set()) == {"no_speech"}


@pytest.fixture(scope="module")
def engine(data_dir: Path) -> Iterator[WhisperEngine]:
    provider = providers(load(data_dir=data_dir))[0]
    assert isinstance(provider, WhisperProvider)
    made = provider.create("whisper-base")
    made.load()
    yield made
    made.close()


@pytest.mark.parametrize("language", FORCED)
def test_the_engine_alone_hears_nothing_in_what_speech_detection_lets_through(
    engine: WhisperEngine, language: str | None
) -> None:
    """Plucked chords pass for speech now and then; the decoder must not make words of them."""
    assert language is None or language in LANGUAGES
    sound = NOISES["tones"](4.0, 3)
    for clip in (sound, np.pad(sound[:SAMPLE_RATE], (SAMPLE_RATE, SAMPLE_RATE))):
        options = DecodeOptions(language=language)
        (result,) = recognize(engine, [Clip(clip, options, ((0.0, 0.5),))])
        assert not isinstance(result, Exception)
        assert result.segments == ()
