"""What all live protocols do with frames and pings; each message of theirs has tests of its own."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.frames import Frame, Opcode

from tests.support.app_server import AppServer, Client, app_server, of, s16le
from tests.support.live_stack import said

SPEAKER = "/ws/subtitle?language=en"
VIEWER = "/ws/subtitle?room=hall&role=viewer"
REALTIME = "/v1/realtime?intent=transcription"
STREAM = "/v1/stream"


@asynccontextmanager
async def raw(service: AppServer, path: str) -> AsyncIterator[tuple[asyncio.StreamReader, Raw]]:
    """A connection whose frames are written by hand."""
    host, port = service.url.removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade"
        f"\r\nSec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101"), head
    assert b"permessage-deflate" not in head
    try:
        yield reader, Raw(writer)
    finally:
        writer.transport.abort()


async def found(reader: asyncio.StreamReader, wanted: bytes) -> None:
    """Read until it comes."""
    held = b""
    async with asyncio.timeout(60):
        while wanted not in held:
            data = await reader.read(1 << 16)
            assert data, "closed"
            held = held[-len(wanted) :] + data


class Raw:
    """The writing half."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer

    async def send(
        self, opcode: Opcode, data: bytes = b"", *, fin: bool = True, times: int = 1
    ) -> None:
        frame = Frame(opcode, data, fin).serialize(mask=True)
        self.writer.write(frame * times)
        await self.writer.drain()


@pytest.mark.parametrize("path", [STREAM, VIEWER])
async def test_pongs_that_nobody_reads_take_no_memory(path: str) -> None:
    async with app_server() as service, raw(service, path) as (reader, client):
        (connection,) = service.connections
        most = 0
        for number in range(160):
            await client.send(Opcode.PING, f"{number:100}".encode(), times=1000)
            most = max(most, connection.transport.get_write_buffer_size())
        await client.send(Opcode.PING, b"the last one")
        assert most < 1 << 20
        await found(reader, b"\x8a\x0cthe last one")


@pytest.mark.parametrize("path", [STREAM, VIEWER])
async def test_fragments_take_no_memory(path: str) -> None:
    """Empty ones, of a message that never ends."""
    async with app_server() as service, raw(service, path) as (reader, client):
        (connection,) = service.connections
        await client.send(Opcode.TEXT, b'{"type": ', fin=False)
        await client.send(Opcode.CONT, fin=False, times=100_000)
        await client.send(Opcode.PING, b"done")
        await found(reader, b"\x8a\x04done")
        assert len(connection.frames) == 1
        await client.send(Opcode.CONT, b'"dance"}')
        await found(reader, b'"error"')


async def test_fragments_are_put_together() -> None:
    async with app_server() as service, service.dial() as client:
        start = json.dumps({"type": "start", "language": "en"})
        await client.socket.send([start[:5], "", start[5:9], start[9:]])
        await client.until("ready")
        data = s16le(said(10))
        await client.socket.send([data[at : at + 77] for at in range(0, len(data), 77)])
        await client.tell("eof")
        done = (await client.until("done"))[-1]
    assert done["received_s"] == pytest.approx(1.0, abs=0.033)


async def test_pings_keep_a_muted_client() -> None:
    async def muted(path: str) -> None:
        async with begun(service, path) as client:
            for _ in range(60):
                await (await client.socket.ping())
                await asyncio.sleep(0.05)
            assert not of(await ended(client, path), "error"), path

    async with app_server(idle_s=2.0) as service:
        await asyncio.gather(*(muted(path) for path in (STREAM, REALTIME, SPEAKER)))


async def test_pings_without_sound_come_to_an_end() -> None:
    async def muted(path: str, *, frames: bool) -> None:
        async with begun(service, path) as client:
            pinging = asyncio.create_task(ping(client, frames=frames))
            events, close = await client.rest()
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)
        error = of(events, "error")[-1]["error"]
        assert (error["code"], error["message"]) == (
            "session_expired",
            "No sound was sent for 2 s.",
        )
        assert close == 1008

    async with app_server(idle_s=1.5, max_idle_s=2.0) as service:
        await asyncio.gather(
            *(muted(path, frames=True) for path in (STREAM, REALTIME, SPEAKER)),
            *(muted(path, frames=False) for path in (STREAM, REALTIME)),
        )


async def ping(client: Client, *, frames: bool) -> None:
    while True:
        if frames:
            await client.socket.ping(secrets.token_bytes(8))
        else:
            await client.tell("ping")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def begun(service: AppServer, path: str) -> AsyncIterator[Client]:
    async with service.dial(path, ping_interval=None) as client:
        if path == STREAM:
            await client.tell("start", language="en")
            await client.until("ready")
        yield client


async def ended(client: Client, path: str) -> list[dict[str, object]]:
    """All events, after the last word of the client."""
    if path == REALTIME:
        await client.tell("input_audio_buffer.clear")
        return await client.until("input_audio_buffer.cleared")
    await client.tell("eof")
    return (await client.rest())[0]
