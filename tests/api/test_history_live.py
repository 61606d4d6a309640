"""What is said to the live doors is found again, unless somebody says otherwise."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.support import media
from tests.support.caption_client import address, finals, read_until
from tests.support.realtime_client import COMPLETED, sound
from tests.support.realtime_client import opened as talking
from tests.support.server import Server, running
from tests.support.stream_client import S16, hear, opened, say, spoken, texts

NAME = "en_short"


async def entries(server: Server, door: str, count: int) -> list[dict[str, Any]]:
    """The transcripts of a door, once there are so many, oldest first."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        for _ in range(600):
            answer = (await client.get("/v1/history")).raise_for_status()
            found = [one for one in answer.json()["data"] if one["door"] == door]
            if len(found) >= count:
                return found[::-1]
            await asyncio.sleep(0.05)
    raise AssertionError(answer.text)


@pytest.fixture
def own(data_dir: Path, tmp_path: Path) -> Any:
    return running(data_dir, ZHIYIN_HISTORY__URL=f"sqlite+aiosqlite:///{tmp_path}/h.db")


async def test_streams(own: Any) -> None:
    data = media.encode(spoken(NAME), S16)
    with own as server:
        for store in (False, True):
            async with opened(server, language="en", store=store) as (socket, ready):
                await say(socket, data)
                await socket.send('{"type": "eof"}')
                wire = await hear(socket)
        (entry,) = await entries(server, "stream", 1)
    assert entry["request_id"] == ready["session_id"]
    assert entry["text"] == texts(wire)
    assert entry["language"] == "en"
    assert entry["duration"] == pytest.approx(wire[-1]["received_s"], abs=0.01)


async def test_captions(own: Any) -> None:
    with own as server:
        for query in ("?store=false", "?store=False", ""):
            async with connect(address(server, query)) as socket:
                await say(socket, media.encode(spoken(NAME), S16))
                await socket.send("eof")
                wire = await read_until(socket, "end")
        (entry,) = await entries(server, "captions", 1)
    assert entry["text"] == " ".join(finals(wire))


async def test_realtime(own: Any) -> None:
    with own as server:
        for query in ("store=0", "intent=transcription&store=false", "intent=transcription"):
            async with talking(server, query) as wire:
                begun = await wire.next()
                await wire.append(sound(NAME))
                done = (await wire.until(COMPLETED))[-1]
        (entry,) = await entries(server, "realtime", 1)
    assert entry["request_id"] == begun["session"]["id"]
    assert media.units(entry["text"]) == media.units(done["transcript"])


async def test_a_lost_connection_loses_no_text(data_dir: Path, tmp_path: Path) -> None:
    env = {
        "ZHIYIN_HISTORY__URL": f"sqlite+aiosqlite:///{tmp_path}/h.db",
        "ZHIYIN_LIVE__GRACE_S": "0",
    }
    with running(data_dir, **env) as server:
        async with opened(server, language="en") as (socket, _):
            await say(socket, media.encode(spoken(NAME), S16))
            wire = await hear(socket, "final")
            await socket.close()
        (entry,) = await entries(server, "stream", 1)
    assert json.dumps(texts(wire)) in json.dumps(entry)


async def test_who_is_gone_in_mid_word_leaves_his_last_words(
    data_dir: Path, tmp_path: Path
) -> None:
    env = {
        "ZHIYIN_HISTORY__URL": f"sqlite+aiosqlite:///{tmp_path}/h.db",
        "ZHIYIN_LIVE__GRACE_S": "0",
    }
    with running(data_dir, **env) as server:
        async with opened(server, language="en", silence_ms=None) as (socket, _):
            await say(socket, media.encode(media.samples(NAME), S16))
            await socket.send('{"type": "ping"}')
            await hear(socket, "pong")
            socket.transport.abort()
        (entry,) = await entries(server, "stream", 1)
    assert media.heard(media.reference(NAME), entry["text"]) > 0.8
