"""POST /recognize on a real server with the real model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import media
from tests.support.server import Server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=120) as made:
        yield made


def send(client: httpx.Client, data: bytes, name: str = "a.wav", **fields: str) -> httpx.Response:
    return client.post("/recognize", files={"file": (name, data)}, data=fields)


def recognized(client: httpx.Client, name: str, **fields: str) -> dict[str, Any]:
    response = send(client, media.path(name).read_bytes(), **fields)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.parametrize("name", ["en_short", "en_other", "en_sentences"])
def test_english_is_understood(client: httpx.Client, name: str) -> None:
    body = recognized(client, name, language="en")
    assert media.heard(media.reference(name), body["text"]) >= 0.9


@pytest.mark.parametrize("name", ["zh_short", "zh_other", "zh_sentences"])
def test_mandarin_is_understood(client: httpx.Client, name: str) -> None:
    body = recognized(client, name, language="zh")
    assert media.heard(media.reference(name), body["text"]) >= 0.75


@pytest.mark.parametrize("name", ["en_other", "en_sentences", "zh_other", "zh_sentences"])
def test_the_language_is_detected(client: httpx.Client, name: str) -> None:
    body = recognized(client, name)
    assert body["language"] == name[:2]
    assert body["language_probability"] > 0.5


@pytest.mark.parametrize("form", media.FORMS, ids=lambda f: f.name)
def test_every_container_and_codec_is_heard(client: httpx.Client, form: media.Form) -> None:
    data = media.encode(media.samples("en_other"), form)
    response = send(client, data, name=f"a.{form.container}", language="en")
    assert response.status_code == 200, response.text
    assert media.heard(media.reference("en_other"), response.json()["text"]) >= 0.8


def test_the_answer_has_all_its_parts(client: httpx.Client) -> None:
    body = recognized(client, "en_sentences", words="true")
    assert set(body) == {
        "id", "text", "language", "language_probability", "duration", "task", "model", "engine",
        "segments", "warnings",
    }  # fmt: skip
    assert body["duration"] == pytest.approx(media.seconds("en_sentences"), abs=0.05)
    assert body["warnings"] == []
    assert len(body["segments"]) >= 3
    ends = [0.0]
    for i, segment in enumerate(body["segments"]):
        assert segment["id"] == i
        assert ends[-1] - 0.01 <= segment["start"] < segment["end"] <= body["duration"] + 0.01
        assert 0 < segment["confidence"] <= 1
        words = segment["words"]
        assert segment["start"] <= words[0]["start"]
        assert words[-1]["end"] <= segment["end"] + 0.01
        assert " ".join(w["word"] for w in words) == segment["text"]
        ends.append(segment["end"])
    assert " ".join(s["text"] for s in body["segments"]) == body["text"]


def test_a_long_recording_is_whole(client: httpx.Client) -> None:
    """Every sentence of the story is there, once and in order, across all the cuts."""
    body = recognized(client, "en_story")
    sentences = [s for s in re.split(r"(?<=\.) ", media.reference("en_story")) if s]
    text = " ".join(media.units(body["text"]))
    places = []
    for sentence in sentences:
        words = media.units(sentence)
        assert media.heard(sentence, body["text"]) >= 0.7, sentence
        found = [text.find(" ".join(words[i : i + 3])) for i in range(len(words) - 2)]
        known = [p for p in found if p >= 0]
        assert known, sentence
        places.append(known[0])
        tri = " ".join(words[:3])
        assert text.count(tri) <= 1, f"doubled: {tri}"
    assert places == sorted(places)
    assert body["segments"][-1]["end"] <= body["duration"] + 0.01


def test_streaming_tells_progress_segments_and_the_result(client: httpx.Client) -> None:
    files = {"file": ("a.ogg", media.path("en_story").read_bytes())}
    events: list[dict[str, Any]] = []
    with client.stream("POST", "/recognize", files=files, data={"stream": "true"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in response.iter_lines():
            if line:
                assert line.startswith("data: ")
                events.append(json.loads(line[6:]))
    kinds = [e["type"] for e in events]
    assert kinds[0] == "progress"
    assert kinds[-1] == "done"
    assert kinds.count("done") == 1
    done = [e["processed"] for e in events if e["type"] == "progress"]
    assert done == sorted(done)
    segments = [e["segment"] for e in events if e["type"] == "segment"]
    assert segments == events[-1]["result"]["segments"]


def test_silence_gives_empty_text(client: httpx.Client) -> None:
    import numpy as np

    body = send(client, media.wav(np.zeros(16_000 * 5, np.float32))).json()
    assert body["text"] == ""
    assert body["segments"] == []
    assert [w["code"] for w in body["warnings"]] == ["no_speech"]


def test_a_truncated_file_warns(client: httpx.Client) -> None:
    data = media.wav(media.samples("en_sentences"))
    body = send(client, data[: len(data) // 2], language="en").json()
    assert media.heard("Good morning everyone the meeting starts", body["text"]) > 0.8
    assert "truncated_audio" in [w["code"] for w in body["warnings"]]


def test_other_formats_come_from_the_same_place(client: httpx.Client) -> None:
    data = media.path("en_short").read_bytes()
    text = send(client, data, language="en", response_format="text").text
    assert media.heard(media.reference("en_short"), text) > 0.9
    assert send(client, data, response_format="srt").text.startswith("1\n00:00:0")
    assert send(client, data, response_format="vtt").text.startswith("WEBVTT\n\n00:00:0")
    verbose = send(client, data, language="en", response_format="verbose_json").json()
    assert verbose["language"] == "english"


def test_a_request_keeps_its_id(client: httpx.Client) -> None:
    data = media.path("en_short").read_bytes()
    response = client.post(
        "/recognize", files={"file": ("a.flac", data)}, headers={"X-Request-ID": "mine-1"}
    )
    assert response.headers["x-request-id"] == "mine-1"
    assert response.json()["id"] == "mine-1"
    evil = client.get("/health/live", headers={"X-Request-ID": "a b\tc" * 30})
    assert re.fullmatch(r"req_[0-9a-f]{32}", evil.headers["x-request-id"])


def test_text_that_looks_like_control_tokens_is_only_text(client: httpx.Client) -> None:
    data = media.path("en_short").read_bytes()
    body = send(client, data, language="en", prompt="<|endoftext|><|translate|><|nospeech|>").json()
    assert media.heard(media.reference("en_short"), body["text"]) > 0.8


def test_the_shared_samples_are_the_projects(audio: Any) -> None:
    samples = Path(__file__).parents[2] / "src" / "zhiyin" / "samples"
    assert {p.name for p in samples.glob("*.flac")} == {"en.flac", "zh.flac"}
