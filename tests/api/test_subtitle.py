"""Caption rooms over real sockets, against the running server."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support import live_stack, media
from tests.support.app_server import app_server, s16le
from tests.support.caption_client import address, finals, read_until
from tests.support.live_stack import gated
from tests.support.server import Server
from tests.support.stream_client import S16, say, spoken


async def test_the_simplest_client_gets_its_captions(server: Server) -> None:
    async with connect(address(server)) as socket:
        await say(socket, media.encode(spoken("en_short"), S16))
        await socket.send("eof")
        wire = await read_until(socket, "end")
    assert media.heard(media.reference("en_short"), " ".join(finals(wire))) > 0.8


async def test_viewers_see_what_the_speaker_sees(server: Server) -> None:
    """One is there from the start, one comes late, one never reads."""
    room = "?room=lecture-1&language=en&role="
    async with (
        connect(address(server, "?room=lecture-1&role=viewer")) as early,
        connect(address(server, "?room=lecture-1&role=viewer")),
        connect(address(server, room + "speaker")) as speaker,
    ):
        await say(speaker, media.encode(spoken("en_sentences"), S16))
        await speaker.send('{"type":"eof"}')
        seen = await read_until(speaker, "end")
        watched = await read_until(early, "end")
    async with connect(address(server, "?room=lecture-1&role=viewer")) as late:
        (history,) = await read_until(late, "history")
    assert watched[0] == {"type": "history", "captions": []}
    assert finals(seen) == finals(watched) == [c["text"] for c in history["captions"]]
    assert media.heard(media.reference("en_sentences"), " ".join(finals(seen))) > 0.7


async def test_a_room_has_one_speaker(server: Server) -> None:
    query = "?room=taken&role=speaker"
    async with connect(address(server, query)) as first:
        await first.send(b"\x00\x00" * 1600)
        async with connect(address(server, query)) as second:
            (event,) = await read_until(second, "error")
        assert event["error"]["code"] == "room_taken"
    for _ in range(100):  # until the server has noticed that the first one left
        async with connect(address(server, query)) as third:
            with suppress(ConnectionClosed):
                await third.send("eof")
            event = json.loads(await third.recv())
        if event["type"] == "end":
            break
        await asyncio.sleep(0.1)
    assert event["type"] == "end"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("?room=a b&role=viewer", "room"),
        ("?role=viewer", "role"),
        ("?role=queen", "role"),
        ("?sample_rate=many", "sample_rate"),
        ("?sample_rate=1", "sample_rate"),
        ("?encoding=mp3", "encoding"),
        ("?colour=red", "colour"),
        ("?store=perhaps", "store"),
    ],
)
async def test_wrong_parameters_are_named(server: Server, query: str, param: str) -> None:
    async with connect(address(server, query.replace(" ", "%20"))) as socket:
        (event,) = await read_until(socket, "error")
        assert event["error"]["param"] == param
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_viewers_only_read(server: Server) -> None:
    async with connect(address(server, "?room=quiet&role=viewer")) as socket:
        await socket.send(b"\x00\x00")
        event = (await read_until(socket, "error"))[-1]
    assert event["error"]["code"] == "read_only"


async def test_the_viewers_get_the_last_words_of_a_lost_speaker(server: Server) -> None:
    async with connect(address(server, "?room=lost&role=viewer")) as viewer:
        async with connect(address(server, "?room=lost&language=en")) as speaker:
            await say(speaker, media.encode(media.samples("en_short"), S16))
            speaker.transport.abort()
        wire = await read_until(viewer, "end")
    assert media.heard(media.reference("en_short"), " ".join(finals(wire))) > 0.8


async def test_pings_are_answered_while_sound_waits() -> None:
    """Many clients hang up when they are not; this one sends faster than it is heard."""
    engine, gate = gated()
    async with (
        app_server(engine, max_waiting_s=1.0) as service,
        service.dial("/ws/subtitle") as client,
    ):
        await client.say(s16le(live_stack.said(10, 60.0)), 320_000)
        async with asyncio.timeout(60):
            await (await client.socket.ping())
        gate.set()
        await client.socket.send("eof")
        told = await client.until("end")
    assert {round(int(word[1:]), -1) for text in finals(told) for word in text.split()} == {10}
