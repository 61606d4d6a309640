"""Two servers and one Redis: a room is one room, whoever of them one speaks or reads with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support import media
from tests.support.caption_client import Wire, address, finals, read_until, shared_rooms
from tests.support.server import Server, running
from tests.support.stream_client import S16, say
from tests.support.valkey import Valkey

SPOKEN = media.encode(media.samples("en_sentences"), S16)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """The Redis of both servers."""
    started = Valkey(tmp_path_factory.mktemp("valkey"))
    started.start()
    yield started
    started.kill()


@pytest.fixture(scope="module")
def pair(data_dir: Path, valkey: Valkey) -> Iterator[tuple[Server, Server]]:
    """Two servers that share their rooms."""
    settings = shared_rooms(valkey)
    with running(data_dir, **settings) as here, running(data_dir, **settings) as there:
        yield here, there


async def speak(socket: ClientConnection, data: bytes, until_final: int = 0) -> Wire:
    """Say it at once; what was told up to that many finals."""
    await say(socket, data)
    wire: Wire = []
    async with asyncio.timeout(120):
        while len(finals(wire)) < until_final:
            wire.append(json.loads(await socket.recv()))
    return wire


def warned(wire: Wire) -> int:
    """How often it was told that captions are not shared."""
    return sum(event.get("code") == "captions_local" for event in wire)


async def until_warned(socket: ClientConnection) -> Wire:
    """Sound that comes quicker than speech has warnings of its own."""
    wire: Wire = []
    while not warned(wire):
        wire += await read_until(socket, "warning")
    return wire


async def history(server: Server, room: str) -> list[str]:
    async with connect(address(server, f"?room={room}&role=viewer")) as socket:
        (event,) = await read_until(socket, "history")
    return [caption["text"] for caption in event["captions"]]


async def some_history(server: Server, room: str) -> list[str]:
    for _ in range(100):
        if texts := await history(server, room):
            return texts
        await asyncio.sleep(0.1)
    raise AssertionError("there is no history")


async def eventually(server: Server, room: str, expected: list[str]) -> None:
    for _ in range(100):
        if await history(server, room) == expected:
            return
        await asyncio.sleep(0.1)
    assert await history(server, room) == expected


async def health(server: Server) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        answer = await client.get("/health/ready")
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body


async def test_who_speaks_here_is_read_there(pair: tuple[Server, Server]) -> None:
    here, there = pair
    room = "?room=both&role="
    async with (
        connect(address(there, room + "viewer")) as viewer,
        connect(address(here, room + "speaker&language=en")) as speaker,
    ):
        seen = await speak(speaker, SPOKEN, 1)
        late = await some_history(there, "both")
        async with connect(address(there, room + "speaker")) as second:
            (refused,) = await read_until(second, "error")
        await speaker.send("eof")
        seen += await read_until(speaker, "end")
        watched = await read_until(viewer, "end")
    assert refused["error"]["code"] == "room_taken"
    assert late == finals(seen)[: len(late)]
    assert finals(watched) == finals(seen)
    assert media.heard(media.reference("en_sentences"), " ".join(finals(seen))) > 0.7
    assert await history(here, "both") == await history(there, "both") == finals(seen)
    async with connect(address(there, room + "speaker")) as next_one:
        await next_one.send("eof")
        assert [event["type"] for event in await read_until(next_one, "end")] == ["end"]


@pytest.mark.parametrize("which", [0, 1])
async def test_any_server_exports_a_room(pair: tuple[Server, Server], which: int) -> None:
    room = f"export-{which}"
    async with connect(address(pair[0], f"?room={room}&language=en")) as speaker:
        seen = await speak(speaker, SPOKEN, 1)
        async with httpx.AsyncClient(base_url=pair[which].url, trust_env=False) as client:
            during = await client.get(f"/captions/{room}/export")
            await speaker.send("eof")
            seen += await read_until(speaker, "end")
            after = await client.get(f"/captions/{room}/export", params={"format": "srt"})
    lines = [text.strip() for text in finals(seen) if text]
    assert during.status_code == 200
    assert during.text.splitlines() == lines[: len(during.text.splitlines())]
    assert all(line in after.text for line in lines)
    assert after.text.count(" --> ") == len(lines)


async def test_redis_dies_and_comes_back(pair: tuple[Server, Server], valkey: Valkey) -> None:
    """The speaker, near and far viewers: all get every final once, and one warning."""
    here, there = pair
    room = "?room=outage&role="
    async with (
        connect(address(here, room + "viewer")) as near,
        connect(address(there, room + "viewer")) as far,
        connect(address(here, room + "speaker&language=en")) as speaker,
    ):
        seen = await speak(speaker, SPOKEN, 1)
        valkey.kill()
        near_wire, far_wire = await until_warned(near), await until_warned(far)
        seen += await speak(speaker, SPOKEN, 1)
        assert (await health(here))["captions"] == (await health(there))["captions"] == "local"
        during = await history(here, "outage")
        valkey.start()
        await speaker.send("eof")
        seen += await read_until(speaker, "end")
        near_wire += await read_until(near, "end")
        # The end may have been told before the far server was back; what was said is not lost.
        async with asyncio.timeout(120):
            while len(finals(far_wire)) < len(finals(seen)):
                far_wire.append(json.loads(await far.recv()))
    assert during == finals(seen)[: len(during)]
    assert finals(near_wire) == finals(seen)
    assert finals(far_wire) == finals(seen)
    assert warned(seen) == warned(near_wire) == warned(far_wire) == 1
    await eventually(there, "outage", finals(seen))
    for server in pair:
        assert await health(server) == {"status": "ready"}


async def test_redis_may_come_later(data_dir: Path, tmp_path: Path) -> None:
    valkey = Valkey(tmp_path)
    with running(data_dir, **shared_rooms(valkey)) as server:
        assert await health(server) == {"status": "ready", "captions": "local"}
        async with connect(address(server, "?room=early&language=en")) as speaker:
            seen = await speak(speaker, SPOKEN, 1)
            valkey.start()
            try:
                await speaker.send("eof")
                seen += await read_until(speaker, "end")
                assert warned(seen) == 1
                with running(data_dir, **shared_rooms(valkey)) as second:
                    await eventually(second, "early", finals(seen))
            finally:
                valkey.kill()
    assert not any(valkey.url in line for line in server.logs)


async def test_rooms_outlive_a_server(
    data_dir: Path, pair: tuple[Server, Server], valkey: Valkey
) -> None:
    """A speaker's server is killed: the other one has what was said, and the room is free again."""
    here, _ = pair
    with running(data_dir, **shared_rooms(valkey)) as doomed:
        async with connect(address(doomed, "?room=doomed&language=en")) as speaker:
            seen = await speak(speaker, SPOKEN, 1)
            await eventually(here, "doomed", finals(seen))
            doomed.process.kill()
    said = await history(here, "doomed")
    assert said[: len(finals(seen))] == finals(seen)
    for _ in range(100):
        async with connect(address(here, "?room=doomed")) as speaker:
            with suppress(ConnectionClosed):
                await speaker.send("eof")
            last = json.loads(await speaker.recv())
        if last["type"] == "end":
            break
        assert last["error"]["code"] == "room_taken"
        await asyncio.sleep(0.1)
    assert last["type"] == "end"
