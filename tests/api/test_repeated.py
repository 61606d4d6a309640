"""What is said several times comes several times, with the real model."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from tests.support import media
from tests.support.server import Server


def said(name: str, times: int, pause_s: float) -> media.Samples:
    """The recording without its silent ends, so many times."""
    sound = media.samples(name)
    loud = np.flatnonzero(np.abs(sound) > 0.02)
    phrase = sound[loud[0] : loud[-1]]
    pause = np.zeros(round(pause_s * media.RATE), np.float32)
    return np.concatenate([pause, *[phrase, pause] * times])


@pytest.mark.parametrize(
    ("name", "times", "word"), [("zh_short", 6, "客厅"), ("en_short", 4, "kitchen")]
)
def test_a_phrase_comes_as_often_as_it_is_said(
    server: Server, name: str, times: int, word: str
) -> None:
    files = {"file": ("a.wav", media.wav(said(name, times, 0.4)))}
    fields = {"language": name[:2]}
    answer = httpx.post(f"{server.url}/recognize", files=files, data=fields, timeout=120)
    text: str = answer.json()["text"]
    assert text.count(word) == times, text
