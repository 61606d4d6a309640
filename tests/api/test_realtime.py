"""The Realtime protocol: the official client, and hand-written ones, against the running server."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.exceptions import InvalidStatus

from tests.support import media
from tests.support.realtime_client import sound
from tests.support.server import Server

Wire = list[dict[str, Any]]

TRANSCRIBE: dict[str, object] = {"intent": "transcription"}
_TRANSCRIPTION = "conversation.item.input_audio_transcription"


async def say(connection: AsyncRealtimeConnection, data: bytes, size: int = 4800) -> None:
    for at in range(0, len(data), size):
        piece = base64.b64encode(data[at : at + size]).decode()
        await connection.input_audio_buffer.append(audio=piece)


async def hear(connection: AsyncRealtimeConnection, kind: str, times: int = 1) -> Wire:
    """All events up to the last of that kind."""
    wire: Wire = []
    async with asyncio.timeout(120):
        while times:
            event = (await connection.recv()).model_dump(exclude_unset=True, warnings=False)
            wire.append(event)
            times -= event["type"] == kind
    return wire


def of_kind(wire: Wire, kind: str) -> Wire:
    return [e for e in wire if e["type"] == kind]


def transcripts(wire: Wire) -> list[str]:
    return [e["transcript"] for e in of_kind(wire, f"{_TRANSCRIPTION}.completed")]


def check_items(wire: Wire) -> None:
    """The order of every item's events, its one id, and that deltas make the transcript."""
    for done in of_kind(wire, f"{_TRANSCRIPTION}.completed"):
        mine = [e for e in wire if e.get("item_id", e.get("item", {}).get("id")) == done["item_id"]]
        kinds = [e["type"] for e in mine if e["type"] != f"{_TRANSCRIPTION}.delta"]
        assert kinds[-4:] == [
            "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
            f"{_TRANSCRIPTION}.completed",
        ]  # fmt: skip
        assert kinds[:-4] in (
            [],
            ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"],
        )
        assert "".join(e["delta"] for e in mine if "delta" in e) == done["transcript"]
        assert all(e.get("content_index", 0) == 0 for e in mine)
    committed = of_kind(wire, "input_audio_buffer.committed")
    ids: list[Any] = [None, *(e["item_id"] for e in committed)]
    assert [e["previous_item_id"] for e in committed] == ids[:-1]


@pytest.fixture
async def client(server: Server) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key="unused", timeout=60) as made:
        yield made


async def manual(connection: AsyncRealtimeConnection, **fields: Any) -> None:
    given: Any = {
        "type": "transcription",
        "audio": {"input": {"turn_detection": None, **fields}},
    }
    await connection.session.update(session=given)
    updated = (await hear(connection, "session.updated"))[-1]["session"]
    assert updated["audio"]["input"]["turn_detection"] is None


@pytest.mark.parametrize("name", ["en_sentences", "zh_sentences"])
async def test_the_server_finds_the_turns(client: AsyncOpenAI, name: str) -> None:
    async with client.realtime.connect(extra_query=TRANSCRIBE) as connection:
        created = (await hear(connection, "session.created"))[-1]["session"]
        assert created["type"] == "transcription"
        assert created["object"] == "realtime.transcription_session"
        assert created["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
        await say(connection, sound(name))
        turns = len(media.reference(name).replace("。", ".").rstrip(".").split("."))
        wire: Wire = []
        while media.heard(media.reference(name), " ".join(transcripts(wire))) < 0.8:
            wire += await hear(connection, f"{_TRANSCRIPTION}.completed")
            assert len(transcripts(wire)) <= turns
    check_items(wire)
    starts = [e["audio_start_ms"] for e in of_kind(wire, "input_audio_buffer.speech_started")]
    ends = [e["audio_end_ms"] for e in of_kind(wire, "input_audio_buffer.speech_stopped")]
    assert starts == sorted(starts)
    assert all(a < b for a, b in zip(starts, ends, strict=False))
    usage = [e["usage"] for e in of_kind(wire, f"{_TRANSCRIPTION}.completed")]
    assert all(u["type"] == "duration" and u["seconds"] > 0 for u in usage)


async def test_the_client_commits(client: AsyncOpenAI) -> None:
    async with client.realtime.connect(model="whisper-1") as connection:
        await manual(
            connection, transcription={"model": "whisper-1", "language": "en", "prompt": "Home."}
        )
        await say(connection, sound("en_short"))
        await connection.input_audio_buffer.commit()
        wire = await hear(connection, f"{_TRANSCRIPTION}.completed")
        await say(connection, bytes(48_000))
        await connection.input_audio_buffer.commit()
        wire += await hear(connection, f"{_TRANSCRIPTION}.completed")
    check_items(wire)
    first, second = transcripts(wire)
    assert media.heard(media.reference("en_short"), first) > 0.8
    assert second == ""
    assert not of_kind(wire, "input_audio_buffer.speech_started")


async def test_two_utterances_two_items(client: AsyncOpenAI) -> None:
    async with client.realtime.connect(extra_query=TRANSCRIBE) as connection:
        await say(connection, sound("en_short", "zh_short"), 333)
        wire = await hear(connection, f"{_TRANSCRIPTION}.completed", 2)
    check_items(wire)
    first, second = transcripts(wire)
    assert media.heard(media.reference("en_short"), first) > 0.8
    assert media.heard(media.reference("zh_short"), second) > 0.5


async def test_a_commit_ends_the_open_turn(client: AsyncOpenAI) -> None:
    async with client.realtime.connect(extra_query=TRANSCRIBE) as connection:
        await connection.session.update(
            session={"type": "transcription", "audio": {"input": {
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 5000}}}}
        )  # fmt: skip
        await say(connection, sound("en_short"))
        await connection.input_audio_buffer.commit()
        wire = await hear(connection, f"{_TRANSCRIPTION}.completed")
    check_items(wire)
    assert media.heard(media.reference("en_short"), transcripts(wire)[0]) > 0.8


@pytest.mark.parametrize(("name", "law"), [("audio/pcmu", "mulaw"), ("audio/pcma", "alaw")])
async def test_telephone_sound(client: AsyncOpenAI, name: str, law: str) -> None:
    form = media.Form(law, f"pcm_{law}", 8_000)
    async with client.realtime.connect(extra_query=TRANSCRIBE) as connection:
        await manual(connection, format={"type": name}, transcription={"language": "en"})
        await say(connection, sound("en_other", form=form), 800)
        await connection.input_audio_buffer.commit()
        wire = await hear(connection, f"{_TRANSCRIPTION}.completed")
    assert media.heard(media.reference("en_other"), transcripts(wire)[0]) > 0.8


async def test_what_was_cleared_is_not_heard(client: AsyncOpenAI) -> None:
    async with client.realtime.connect(extra_query=TRANSCRIBE) as connection:
        await manual(connection)
        await say(connection, sound("en_short"))
        await connection.input_audio_buffer.clear()
        await say(connection, sound("en_other"))
        await connection.input_audio_buffer.commit()
        wire = await hear(connection, f"{_TRANSCRIPTION}.completed")
    assert of_kind(wire, "input_audio_buffer.cleared")
    assert "kitchen" not in transcripts(wire)[0]
    assert media.heard(media.reference("en_other"), transcripts(wire)[0]) > 0.8


async def test_settings_change_under_way_and_nothing_is_lost(client: AsyncOpenAI) -> None:
    async with client.realtime.connect(extra_query=TRANSCRIBE) as connection:
        await manual(connection)
        await say(connection, sound("en_short"))
        await manual(connection, format={"type": "audio/pcm", "rate": 16_000})
        await say(connection, sound("en_other", form=media.Form("s16le", "pcm_s16le", 16_000)))
        await connection.input_audio_buffer.commit()
        wire = await hear(connection, f"{_TRANSCRIPTION}.completed")
    both = f"{media.reference('en_short')} {media.reference('en_other')}"
    assert media.heard(both, transcripts(wire)[0]) > 0.8


async def test_two_clients_at_once(client: AsyncOpenAI) -> None:
    async def one(name: str) -> str:
        async with client.realtime.connect(extra_query=TRANSCRIBE) as connection:
            await manual(connection)
            await say(connection, sound(name))
            await connection.input_audio_buffer.commit()
            wire = await hear(connection, f"{_TRANSCRIPTION}.completed")
            return transcripts(wire)[0]

    english, chinese = await asyncio.gather(one("en_sentences"), one("zh_sentences"))
    assert media.heard(media.reference("en_sentences"), english) > 0.8
    assert media.heard(media.reference("zh_sentences"), chinese) > 0.8


async def test_tokens_open_sessions(client: AsyncOpenAI, server: Server) -> None:
    made = await client.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session={"type": "transcription", "audio": {"input": {"turn_detection": None}}},
    )
    assert made.value.startswith("ek_")
    assert made.session.type == "transcription"
    holder = client.with_options(api_key=made.value)
    async with holder.realtime.connect(extra_query=TRANSCRIBE) as connection:
        created = (await hear(connection, "session.created"))[-1]["session"]
        assert created["audio"]["input"]["turn_detection"] is None
    with pytest.raises(InvalidStatus) as refused:
        await client.with_options(api_key="ek_nobody").realtime.connect().enter()
    assert refused.value.response.status_code == 401
    with pytest.raises(openai.BadRequestError):
        await client.realtime.client_secrets.create(expires_after={"seconds": 5})
    async with httpx.AsyncClient(base_url=f"{server.url}/v1/realtime") as plain:
        older = await plain.post(
            "/transcription_sessions", json={"input_audio_format": "g711_alaw"}
        )
        assert older.json()["client_secret"]["value"].startswith("ek_")
        assert older.json()["input_audio_format"] == "g711_alaw"
        assert (await plain.post("/client_secrets")).status_code == 200


async def test_models_in_the_address(client: AsyncOpenAI) -> None:
    for model, shown in (("whisper-1", "whisper-1"), ("gpt-realtime", "whisper-base")):
        async with client.realtime.connect(model=model) as connection:
            created = (await hear(connection, "session.created"))[-1]["session"]
            assert created["audio"]["input"]["transcription"]["model"] == shown
    with pytest.raises(InvalidStatus) as refused:
        await client.realtime.connect(model="nope").enter()
    assert refused.value.response.status_code == 404
    with pytest.raises(InvalidStatus) as refused:
        await client.realtime.connect(extra_query={"store": "perhaps"}).enter()
    assert refused.value.response.status_code == 400
