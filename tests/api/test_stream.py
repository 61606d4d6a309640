"""The native live protocol over real sockets, against the running server."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from websockets.asyncio.client import connect

from tests.support import media
from tests.support.server import Server
from tests.support.stream_client import S16, address, check, hear, opened, say, spoken, texts

FORMS = {
    "s16le": S16,
    "mulaw": media.Form("mulaw", "pcm_mulaw", 8_000),
    "alaw": media.Form("alaw", "pcm_alaw", 8_000),
    "f32le": media.Form("f32le", "pcm_f32le", 48_000),
    "webm": media.Form("webm", "libopus", 48_000),
    "ogg": media.Form("ogg", "libopus", 48_000),
}


@pytest.mark.parametrize("encoding", FORMS)
async def test_every_encoding_in_any_chunks(server: Server, encoding: str) -> None:
    form = FORMS[encoding]
    data = media.encode(spoken("en_short"), form)
    chance, at = random.Random(encoding), 0
    start = {"encoding": encoding, "sample_rate": form.rate, "language": "en"}
    async with opened(server, **start) as (socket, _):
        while at < len(data):
            size = chance.randrange(1, 5000)
            await socket.send(data[at : at + size])
            at += size
        await socket.send('{"type":"eof"}')
        wire = await hear(socket)
    check(wire)
    assert media.heard(media.reference("en_short"), texts(wire)) > 0.8


async def test_mandarin_with_words(server: Server) -> None:
    async with opened(server, language="zh", words=True) as (socket, _):
        await say(socket, media.encode(spoken("zh_other"), S16))
        await socket.send('{"type":"eof"}')
        wire = await hear(socket)
    check(wire)
    assert media.heard(media.reference("zh_other"), texts(wire)) > 0.7
    words = [w for e in wire if e["type"] == "final" for w in e["words"]]
    assert [w["start"] for w in words] == sorted(w["start"] for w in words)


async def test_a_commit_ends_the_segment(server: Server) -> None:
    data = media.encode(media.samples("en_sentences")[: 3 * media.RATE], S16)
    async with opened(server, language="en", silence_ms=None) as (socket, _):
        await say(socket, data)
        await socket.send('{"type":"commit"}')
        wire = await hear(socket, "final")
        assert wire[-1]["reason"] == "commit"
        assert wire[-1]["text"]
        await socket.send('{"type":"eof"}')
        check(wire + await hear(socket))


async def test_a_lost_connection_is_resumed(server: Server) -> None:
    """Nothing is lost, and nothing comes twice."""
    data = media.encode(spoken("en_sentences"), S16)
    cut = len(data) // 2 // 2 * 2
    async with opened(server, language="en") as (socket, ready):
        await say(socket, data[:cut])
        before = await hear(socket, "speech_started")
        socket.transport.abort()
    lasting = [e for e in before if "event" in e]
    resume = {"type": "resume", "session_id": ready["session_id"], "last_event": len(lasting)}
    async with connect(address(server), max_size=None) as socket:
        await socket.send(json.dumps(resume))
        again = json.loads(await socket.recv())
        assert again["session_id"] == ready["session_id"]
        await say(socket, data[2 * round(again["received_s"] * media.RATE) :])
        await socket.send('{"type":"eof"}')
        after = await hear(socket)
    wire = lasting + after
    check(wire)
    assert media.heard(media.reference("en_sentences"), texts(wire)) > 0.7


async def test_two_speakers_hear_their_own(server: Server) -> None:
    async def one(name: str, language: str) -> str:
        async with opened(server, language=language) as (socket, _):
            await say(socket, media.encode(spoken(name), S16))
            await socket.send('{"type":"eof"}')
            return texts(await hear(socket))

    english, chinese = await asyncio.gather(one("en_short", "en"), one("zh_other", "zh"))
    assert media.heard(media.reference("en_short"), english) > 0.8
    assert media.heard(media.reference("zh_other"), chinese) > 0.7


async def test_silence_gives_no_text(server: Server) -> None:
    async with opened(server) as (socket, _):
        await say(socket, b"\x00\x00" * 16_000 * 20)
        await socket.send('{"type":"eof"}')
        wire = await hear(socket)
    assert [e["type"] for e in wire] == ["done"]


async def test_chinese_is_written_in_the_script_of_choice(server: Server) -> None:
    async with opened(server, language="zh", script="traditional", words=True) as (socket, _):
        await say(socket, media.encode(spoken("zh_other"), S16))
        await socket.send('{"type": "eof"}')
        wire = await hear(socket)
    check(wire)
    text, words = texts(wire), [w["word"] for e in wire for w in e.get("words", ())]
    assert {"師", "參"} & set(text)
    assert not {"师", "参"} & set(text + "".join(words))
