"""The Realtime protocol by hand: the older shape, mistakes, limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.support import media
from tests.support.realtime_client import COMPLETED, opened, sound
from tests.support.server import Server, running


async def test_the_older_shape(server: Server) -> None:
    headers = {"OpenAI-Beta": "realtime=v1"}
    form = media.Form("mulaw", "pcm_mulaw", 8_000)
    async with opened(server, additional_headers=headers) as wire:
        created = await wire.next()
        assert created["type"] == "transcription_session.created"
        assert created["session"]["input_audio_format"] == "pcm16"
        session = {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 600},
            "include": ["item.input_audio_transcription.logprobs"],
        }
        await wire.send("transcription_session.update", session=session)
        updated = (await wire.until("transcription_session.updated"))[-1]["session"]
        assert updated["turn_detection"]["silence_duration_ms"] == 600
        assert updated["input_audio_transcription"]["language"] == "en"
        await wire.append(sound("en_short", form=form))
        told = await wire.until(COMPLETED)
    assert [e["type"] for e in told if not e["type"].endswith("delta")] == [
        "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed", "conversation.item.created", COMPLETED,
    ]  # fmt: skip
    assert media.heard(media.reference("en_short"), told[-1]["transcript"]) > 0.8


async def test_mistakes_leave_the_socket_open(server: Server) -> None:
    mistakes: list[tuple[str | bytes, str]] = [
        ("{", "invalid_json"),
        ("[]", "invalid_json"),
        (b"\x00\x01", "invalid_event"),
        (json.dumps({"no": "type"}), "missing_required_parameter"),
        (json.dumps({"type": "response.create", "event_id": "mine"}), "invalid_value"),
        (json.dumps({"type": "input_audio_buffer.append", "event_id": "mine"}),
         "missing_required_parameter"),
        (json.dumps({"type": "input_audio_buffer.append", "audio": "%%", "event_id": "mine"}),
         "invalid_value"),
        (json.dumps({"type": "input_audio_buffer.commit", "event_id": "mine"}),
         "input_audio_buffer_commit_empty"),
        (json.dumps({"type": "session.update", "event_id": "mine"}), "missing_required_parameter"),
        (json.dumps({"type": "session.update", "session": {"voice": "alloy"}}),
         "unknown_parameter"),
        (json.dumps({"type": "session.update", "session": {"audio": {"input": {
            "transcription": {"model": "nope"}}}}}), "model_not_found"),
    ]  # fmt: skip
    async with opened(server) as wire:
        await wire.next()
        for message, code in mistakes:
            await wire.socket.send(message)
            event = await wire.next()
            assert set(event) == {"type", "event_id", "error"}
            assert set(event["error"]) == {"type", "code", "message", "param", "event_id"}
            assert (event["type"], event["error"]["code"]) == ("error", code)
            echoed = "mine" if isinstance(message, str) and "mine" in message else None
            assert event["error"]["event_id"] == echoed
        await wire.append(bytes((15 << 20) + 1))
        assert (await wire.next())["error"]["code"] == "file_too_large"
        await wire.append(bytes(4798))
        await wire.send("input_audio_buffer.commit")
        assert "99.96ms" in (await wire.next())["error"]["message"]
        await wire.append(sound("en_short"))
        assert media.heard(
            media.reference("en_short"), (await wire.until(COMPLETED))[-1]["transcript"]
        ) > 0.8  # fmt: skip


async def test_browsers_offer_keys_as_subprotocols(server: Server) -> None:
    offered = ["realtime", "openai-insecure-api-key.anything", "openai-beta.realtime-v1"]
    names = [Subprotocol(name) for name in offered]
    async with opened(server, "model=whisper-1", subprotocols=names) as wire:
        assert wire.socket.subprotocol == "realtime"
        assert (await wire.next())["type"] == "transcription_session.created"
    names[1] = Subprotocol("openai-insecure-api-key.ek_gone")
    with pytest.raises(InvalidStatus) as refused:
        async with opened(server, subprotocols=names):
            pass
    assert refused.value.response.status_code == 401


@pytest.fixture(scope="module")
def brief_server(data_dir: Path) -> Iterator[Server]:
    limits = {
        "ZHIYIN_LIVE__IDLE_S": "2",
        "ZHIYIN_LIVE__MAX_SECONDS": "3",
        "ZHIYIN_LIVE__MAX_SESSIONS": "1",
        "ZHIYIN_LIVE__SILENCE_S": "0.7",
    }
    with running(data_dir, **limits) as started:
        yield started


async def test_who_sends_nothing_is_told_and_let_go(brief_server: Server) -> None:
    async with opened(brief_server) as wire:
        told = await wire.until("error")
        assert told[-1]["error"]["code"] == "session_expired"
        with pytest.raises(ConnectionClosed):
            await wire.next()
        assert wire.socket.close_code == 1008


async def test_a_session_has_an_end_that_loses_nothing(brief_server: Server) -> None:
    async with opened(brief_server) as wire:
        await wire.append(sound("en_short") + bytes(240_000))
        told = await wire.until("error")
        assert told[-1]["error"]["code"] == "audio_too_long"
        with suppress(ConnectionClosed):
            while True:
                told.append(await wire.next())
        assert wire.socket.close_code == 1008
    said = [e["transcript"] for e in told if "transcript" in e]
    assert media.heard(media.reference("en_short"), " ".join(said)) > 0.8


async def test_there_are_only_so_many_places(brief_server: Server) -> None:
    async with opened(brief_server) as wire:
        turns = (await wire.next())["session"]["audio"]["input"]["turn_detection"]
        assert turns["silence_duration_ms"] == 700, "the setting's"
        with pytest.raises(InvalidStatus) as refused:
            async with opened(brief_server):
                pass
        assert refused.value.response.status_code == 429
