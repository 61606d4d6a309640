"""Connections that stay silent, heads without end, odd and old HTTP."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from tests.support import media
from tests.support.app_server import AppServer, app_server
from tests.support.raw_http import Answer, form, raw
from zhiyin.access.http.connection import ConnectionLimits

LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
SECRETS = b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = SECRETS + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGE = 1 << 20


async def sent(server: AppServer, data: bytes) -> Answer:
    async with raw(server.url) as connection:
        await connection.send(data)
        return await connection.answer()


async def test_connections_that_ask_for_nothing_are_closed() -> None:
    """From the beginning, in the middle of a head, after an answer, and behind a body."""
    refused = SECRETS + b"Content-Length: 999999\r\n\r\nx"
    async with app_server(connections=ConnectionLimits(head_s=0.3)) as server:
        for begun in (b"", b"\r\n", LIVE, LIVE + b"X-A: b", LIVE + b"\r\n", refused):
            async with raw(server.url) as connection:
                await connection.send(begun)
                if begun.endswith(b"\r\n\r\n") or begun is refused:
                    assert (await connection.answer()).status in (200, 413)
                assert await connection.closed() == b""
        async with raw(server.url) as connection:
            await connection.send(LIVE + b"\r\n" + LIVE + b"X-A: ")
            assert (await connection.answer()).status == 200
            assert await connection.closed() == b""


async def test_work_and_sessions_are_not_silence() -> None:
    """The time limit is of heads only."""
    async with (
        app_server(connections=ConnectionLimits(head_s=0.3)) as server,
        server.begun() as client,
    ):
        for _ in range(10):
            await client.say(bytes(3200))
            await client.tell("ping")
            await client.until("pong")
            await asyncio.sleep(0.05)
        await client.tell("eof")
        assert (await client.rest())[0][-1]["type"] == "done"


@pytest.mark.parametrize(
    "request_",
    [
        LIVE + b"X-A: " + b"a" * LARGE,
        LIVE + b"a" * LARGE,
        LIVE + b"X-A: b\r\n" * 200 + b"\r\n",
        LIVE + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"a" * LARGE,
        b"GET /?" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        CHUNKED + b"0\r\nX-A: " + b"a" * LARGE,
        CHUNKED + b"0\r\n" + b"X-A: b\r\n" * 20_000,
        CHUNKED + b"1;" + b"a" * LARGE,
    ],
    ids=["value", "name", "lines", "one", "path", "query", "trailer", "trailers", "extension"],
)
async def test_heads_have_an_end(request_: bytes) -> None:
    async with app_server() as server:
        answer = await sent(server, request_)
        assert (answer.status, answer.code) == (431, "headers_too_large")
        assert (await sent(server, LIVE + b"\r\n")).status == 200


async def test_large_but_decent_requests_are_answered() -> None:
    many = b"".join(b"X-A%d: %s\r\n" % (i, b"a" * 500) for i in range(100))
    async with app_server() as server:
        assert (await sent(server, LIVE + many + b"\r\n")).status == 200
        body = b'{"expires_after": {"seconds": 60}}'
        tiny = b"".join(b"1\r\n%c\r\n" % byte for byte in body + b" " * 20_000)
        answer = await sent(server, CHUNKED + tiny + b"0\r\nX-Trailer: a\r\n\r\n")
        assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    "request_",
    [
        SECRETS + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        SECRETS + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        SECRETS + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        SECRETS + b"Content-Length: +2\r\n\r\n{}",
        SECRETS + b"Content-Length: -2\r\n\r\n{}",
        SECRETS + b"Content-Length: 2, 3\r\n\r\n{} ",
        SECRETS + b"Transfer-Encoding: gzip\r\n\r\n{}",
        SECRETS + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        SECRETS + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        SECRETS + b"X-A: b\r\n folded: yes\r\n\r\n",
        CHUNKED + b"g\r\n",
        LIVE + b"X\x00A: b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    ],
)
async def test_what_is_no_plain_http_is_refused(request_: bytes) -> None:
    """Above all what two servers in a row could take for two different requests."""
    async with app_server() as server, raw(server.url) as connection:
        await connection.send(request_)
        answer = await connection.answer()
        assert answer.status == 400
        assert set(json.loads(answer.body)["error"]) == {"message", "type", "param", "code"}


UPGRADE = (
    b"/ws/subtitle?room=hall HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET " + UPGRADE + b"Content-Length: 5\r\n\r\nhello",
        b"POST " + UPGRADE + b"Content-Length: 5\r\n\r\nhello",
        b"GET " + UPGRADE + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_handshakes_that_can_not_be_read_are_refused(request_: bytes) -> None:
    async with app_server() as server, raw(server.url) as connection:
        await connection.send(request_)
        answer = await connection.answer()
        assert (answer.status, answer.code) == (400, "invalid_request")
        assert await connection.closed() == b""


async def test_the_address_of_a_socket_may_have_plain_bytes() -> None:
    """As some clients send them: the room is not valid, which is an answer."""
    async with app_server() as server, raw(server.url) as connection:
        await connection.send(b"GET " + UPGRADE.replace(b"hall", "大厅/".encode()) + b"\r\n")
        assert (await connection.answer()).status < 500
        async with raw(server.url) as other:
            await other.send(b"GET " + UPGRADE.replace(b"hall", b"\xb4\xf2") + b"\r\n")
            assert (await other.answer()).status == 400


async def test_requests_may_be_pipelined() -> None:
    async with app_server() as server, raw(server.url) as connection:
        await connection.send((LIVE + b"\r\n") * 50)
        for _ in range(50):
            assert (await connection.answer()).status == 200
        await connection.send((LIVE + b"\r\n") * 100_000)
        await connection.closed()
        assert (await sent(server, LIVE + b"\r\n")).status == 200


async def test_silent_connections_keep_nobody_out() -> None:
    async with app_server(connections=ConnectionLimits(most=3)) as server, AsyncExitStack() as held:
        silent = [await held.enter_async_context(raw(server.url)) for _ in range(3)]
        await silent[1].send(LIVE)
        for _ in range(5):
            async with raw(server.url) as connection:
                await connection.send(LIVE + b"\r\n")
                assert (await connection.answer()).status == 200
        assert await silent[0].closed() == b""  # it asked for nothing longest


async def test_connections_are_bounded() -> None:
    async with app_server(connections=ConnectionLimits(most=3)) as server:
        async with AsyncExitStack() as held:
            for _ in range(3):
                await held.enter_async_context(server.dial())
            async with raw(server.url) as connection:
                answer = await connection.answer()
            assert (answer.status, answer.code) == (503, "unavailable")
        for _ in range(100):
            async with raw(server.url) as connection:
                await connection.send(LIVE + b"\r\n")
                if (await connection.answer()).status == 200:
                    return
    raise AssertionError("the connections were not given back")


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_old_http_gets_a_plain_body(stream: str) -> None:
    """HTTP/1.0 knows no chunks."""
    body, kind = form(
        ("file", 'filename="a.flac"', media.path("en_short").read_bytes()),
        ("stream", "", stream.encode()),
    )
    head = f"POST /recognize HTTP/1.0\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    async with app_server() as server, raw(server.url) as connection:
        await connection.send(f"{head}\r\n".encode() + body)
        answer = await connection.answer()
        assert await connection.closed() == b""
    assert answer.status == 200
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["connection"] == "close"
    if stream == "true":
        assert "content-length" not in answer.headers
        events = [json.loads(line[6:]) for line in answer.body.decode().split("\n\n")[:-1]]
        assert events[-1]["type"] == "done"
    else:
        assert json.loads(answer.body)["text"]
