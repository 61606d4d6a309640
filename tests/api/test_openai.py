"""The official OpenAI client against the running server."""

from __future__ import annotations

import math
from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI

from tests.support import media
from tests.support.server import Server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="unused", timeout=120) as made:
        yield made


FILE = media.path("en_sentences")
SAID = media.reference("en_sentences")


def test_json_is_the_default(client: OpenAI) -> None:
    with FILE.open("rb") as file:
        got = client.audio.transcriptions.create(model="whisper-1", file=file)
    assert media.heard(SAID, got.text) > 0.9
    assert got.usage is not None
    assert got.usage.type == "duration"


@pytest.mark.parametrize("fmt", ["text", "srt", "vtt"])
def test_plain_formats_are_strings(client: OpenAI, fmt: str) -> None:
    with FILE.open("rb") as file:
        got = client.audio.transcriptions.create(
            model="whisper-1",
            file=file,
            language="en",
            response_format=fmt,  # type: ignore[call-overload]
        )
    assert isinstance(got, str)
    assert media.heard(SAID, got) > 0.9
    assert not got.startswith('"')
    assert ("-->" in got) == (fmt != "text")


def test_verbose_json_has_ten_keys_a_segment(client: OpenAI) -> None:
    with FILE.open("rb") as file:
        got = client.audio.transcriptions.create(
            model="whisper-1", file=file, response_format="verbose_json"
        )
    assert got.language == "english"
    assert got.duration == pytest.approx(media.seconds("en_sentences"), abs=0.05)
    assert got.words is None
    assert got.segments
    for i, segment in enumerate(got.segments):
        body = segment.model_dump()
        assert set(body) == {
            "id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob",
            "compression_ratio", "no_speech_prob",
        }  # fmt: skip
        assert segment.id == i
        assert segment.tokens
        assert math.isfinite(segment.avg_logprob)
        assert segment.avg_logprob < 0
        assert 0 <= segment.no_speech_prob <= 1


def test_words_alone_come_without_segments(client: OpenAI) -> None:
    with FILE.open("rb") as file:
        got = client.audio.transcriptions.create(
            model="whisper-1", file=file, response_format="verbose_json",
            timestamp_granularities=["word"],
        )  # fmt: skip
    assert got.segments is None
    assert got.words
    starts = [w.start for w in got.words]
    assert starts == sorted(starts)
    assert media.heard(SAID, " ".join(w.word for w in got.words)) > 0.9


def test_words_and_segments_together(client: OpenAI) -> None:
    with FILE.open("rb") as file:
        got = client.audio.transcriptions.create(
            model="whisper-1", file=file, response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )  # fmt: skip
    assert got.segments
    assert got.words


def test_streamed_deltas_make_the_text(client: OpenAI) -> None:
    with media.path("zh_story").open("rb") as file:
        events = list(
            client.audio.transcriptions.create(
                model="gpt-4o-mini-transcribe", file=file, language="zh", stream=True
            )
        )
    assert [e.type for e in events].count("transcript.text.done") == 1
    last = events[-1]
    assert last.type == "transcript.text.done"
    deltas = [e.delta for e in events if e.type == "transcript.text.delta"]
    assert len(deltas) > 3
    assert "".join(deltas) == last.text
    assert media.heard(media.reference("zh_story"), last.text) > 0.8


def test_prompt_temperature_and_our_own_fields(client: OpenAI) -> None:
    with FILE.open("rb") as file:
        got = client.audio.transcriptions.create(
            model="whisper-1", file=file, language="en", prompt="A meeting.", temperature=0.2,
            extra_body={"beam_size": 2, "vad": "false", "hotwords": "notes"},
        )  # fmt: skip
    assert media.heard(SAID, got.text) > 0.8


def test_new_fields_of_the_api_are_understood(client: OpenAI) -> None:
    with FILE.open("rb") as file:
        got = client.audio.transcriptions.create(
            model="gpt-transcribe", file=file, chunking_strategy="auto",
            extra_body={"languages": ["en"], "keywords": ["coffee", "lunch"]},
        )  # fmt: skip
    assert media.heard(SAID, got.text) > 0.9


def test_translation_is_english(client: OpenAI) -> None:
    with media.path("zh_sentences").open("rb") as file:
        got = client.audio.translations.create(
            model="whisper-1", file=file, response_format="verbose_json"
        )
    assert got.language == "english"
    assert got.text.isascii() or "’" in got.text
    assert len(media.units(got.text)) > 5


def test_models_are_listed_and_found(client: OpenAI) -> None:
    listed = {m.id for m in client.models.list()}
    assert {"whisper-base", "whisper-1"} <= listed
    assert "whisper-small" not in listed
    assert client.models.retrieve("whisper-1").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")


def test_errors_are_the_clients_own(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as bad, FILE.open("rb") as file:
        client.audio.transcriptions.create(model="whisper-1", file=file, language="klingon")
    assert (bad.value.param, bad.value.code) == ("language", "invalid_language")
    assert bad.value.type == "invalid_request_error"
    with pytest.raises(openai.NotFoundError) as unknown, FILE.open("rb") as file:
        client.audio.transcriptions.create(model="nope", file=file)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused, FILE.open("rb") as file:
        client.audio.transcriptions.create(model="whisper-1", file=file, include=["logprobs"])
    assert refused.value.code == "unsupported_parameter"
