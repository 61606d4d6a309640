"""Speech detection on real speech, whatever its loudness and bandwidth."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support import media, noises
from zhiyin.audio.decode import AvDecoder
from zhiyin.audio.vad import SileroVad
from zhiyin.domain.audio import AudioLimits, Samples
from zhiyin.domain.source import AudioSource
from zhiyin.ports.vad import FRAME

VAD = SileroVad()
SENTENCES = ("en_sentences.flac", "zh_sentences.flac")


def _probabilities(sound: Samples) -> NDArray[np.float32]:
    return VAD.session().probabilities(np.pad(sound, (0, -len(sound) % FRAME)))


def _rounded(sound: Samples) -> Samples:
    return (np.rint(sound * 32767) / 32768).astype(np.float32)


def _telephone(sound: Samples) -> Samples:
    data = media.encode(sound, media.Form("wav", "pcm_mulaw", 8000))
    decoded = AvDecoder().open(AudioSource(BytesIO(data), len(data)), AudioLimits(600))
    return np.concatenate(list(decoded.blocks()))


FORMS: dict[str, Callable[[Samples], Samples]] = {
    "26 dB quieter": lambda s: _rounded(0.05 * s),
    "36 dB quieter": lambda s: _rounded(0.015 * s),
    "cut off": lambda s: (np.trunc(s * 3276) / 32768).astype(np.float32),
    "much too loud": lambda s: np.clip(20 * s, -1, 1),
    "telephone": _telephone,
    "quiet telephone": lambda s: _telephone(0.05 * s),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SENTENCES)
def test_speech_is_found_in_any_form(name: str, form: str) -> None:
    sound = media.samples(name)
    speech = _probabilities(sound) >= 0.5
    found = _probabilities(FORMS[form](sound))[: len(speech)]
    assert 0.4 < speech.mean() < 0.95
    assert (found[speech] < 0.3).mean() < 0.05
    assert (found[~speech] > 0.5).mean() < 0.1


@pytest.mark.parametrize("noise", noises.NOISES)
def test_noise_is_no_speech_however_quiet(noise: str) -> None:
    for level in (1.0, 0.03):
        sound = np.float32(level) * noises.NOISES[noise](10.0, 1)
        assert (_probabilities(sound) >= 0.5).mean() < 0.02


def test_speech_is_found_after_a_shout() -> None:
    sound = media.samples(SENTENCES[0])
    calm = (0.05 * sound).astype(np.float32)
    speech = _probabilities(sound) >= 0.5
    found = _probabilities(np.concatenate([sound, calm]))[-len(calm) // FRAME :]
    assert (found[: len(speech)][speech[: len(found)]] < 0.3).mean() < 0.2


@pytest.mark.parametrize("frames", [1, 3, 31])
def test_blocks_of_any_length_give_the_same(frames: int) -> None:
    sound = media.samples(SENTENCES[0])
    sound = sound[: len(sound) // FRAME * FRAME]
    session = VAD.session()
    size = frames * FRAME
    parts = [session.probabilities(sound[i : i + size]) for i in range(0, len(sound), size)]
    assert np.allclose(np.concatenate(parts), _probabilities(sound), atol=1e-3)


def test_nothing_gives_nothing() -> None:
    assert VAD.session().probabilities(np.zeros(0, np.float32)).shape == (0,)
