"""Recordings and live sessions in several languages of which none is named, with the real model."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest

from tests.support import media
from tests.support.server import Server
from tests.support.stream_client import S16, check, hear, opened, say

PARTS = ("en_short", "zh_other", "zh_short")


def joined(names: tuple[str, ...], pause_s: float) -> media.Samples:
    """The recordings with silence between, and a little at either end."""
    pause = np.zeros(round(pause_s * media.RATE), np.float32)
    ends = np.zeros(media.RATE // 2, np.float32)
    parts = [p for name in names for p in (media.samples(name), pause)][:-1]
    return np.concatenate([ends, *parts, ends])


def recognized(server: Server, sound: media.Samples, **fields: str) -> dict[str, Any]:
    files = {"file": ("a.wav", media.wav(sound))}
    answer = httpx.post(f"{server.url}/recognize", files=files, data=fields, timeout=120)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def assert_each_in_its_language(pieces: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    """The text of each language holds what was said in it."""
    for language in {name[:2] for name in names}:
        wanted = "".join(media.reference(name) for name in names if name.startswith(language))
        text = " ".join(p["text"] for p in pieces if p["language"] == language)
        assert media.heard(wanted, text) >= 0.7, (language, text)


@pytest.mark.parametrize(
    ("names", "pause_s"),
    [
        (PARTS, 2.5),
        (("zh_short", "en_other", "zh_other"), 2.5),
        (("en_other", "zh_other"), 0.7),  # one piece for the decoder
    ],
)
def test_each_part_of_a_recording_comes_in_its_language(
    server: Server, names: tuple[str, ...], pause_s: float
) -> None:
    body = recognized(server, joined(names, pause_s))
    assert_each_in_its_language(body["segments"], names)
    assert body["language"] in {name[:2] for name in names}


def test_a_named_language_is_that_of_every_segment(server: Server) -> None:
    body = recognized(server, joined(PARTS, 0.5), language="en")
    assert {segment["language"] for segment in body["segments"]} == {"en"}
    assert body["language_probability"] is None


async def test_each_segment_of_a_live_session_comes_in_its_language(server: Server) -> None:
    async with opened(server) as (socket, _):
        await say(socket, media.encode(joined(PARTS, 2.5), S16))
        await socket.send('{"type":"eof"}')
        wire = await hear(socket)
    check(wire)
    assert_each_in_its_language([e for e in wire if e["type"] == "final"], PARTS)


async def test_a_live_segment_of_two_languages_has_both(server: Server) -> None:
    async with opened(server, silence_ms=None, partials=False) as (socket, _):
        await say(socket, media.encode(joined(("en_other", "zh_other"), 0.7), S16))
        await socket.send('{"type":"eof"}')
        wire = await hear(socket)
    (final,) = [e for e in wire if e["type"] == "final"]
    for name in ("en_other", "zh_other"):
        assert media.heard(media.reference(name), final["text"]) >= 0.7, final["text"]
