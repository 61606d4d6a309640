"""How large a body may be on each route, and how slowly it may come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.support import media
from tests.support.app_server import AppServer, app_server
from tests.support.live_stack import LiveStack
from tests.support.raw_http import Answer, RawConnection, assert_error, form, raw
from tests.support.waiting import until
from zhiyin.access.app import create_app
from zhiyin.access.context import AccessLimits
from zhiyin.access.http.body import SMALL_BYTES
from zhiyin.access.http.connection import ConnectionLimits
from zhiyin.access.http.routes import jobs, recognition
from zhiyin.engines.scripted import ScriptedEngine

BODY, KIND = form(("file", 'filename="a.flac"', media.path("en_short").read_bytes()))
TYPED = {"Content-Type": KIND}
TINY_S = 0.2
"""Far less than a test waits; what is late by any amount is late."""


def head(path: str, length: int | None, kind: str = KIND, method: str = "POST") -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{size}\r\n\r\n"
    ).encode()


async def test_uploads_are_the_only_large_bodies() -> None:
    made = AppServer(LiveStack(ScriptedEngine()))
    paths = create_app(made, AccessLimits(1 << 20, 8, 60.0)).openapi()["paths"]
    uploads = {
        path
        for path, methods in paths.items()
        for route in methods.values()
        if "multipart/form-data" in route.get("requestBody", {}).get("content", {})
    }
    assert uploads == recognition.UPLOADS | jobs.UPLOADS
    await made.close()


async def test_other_bodies_are_small_on_every_route() -> None:
    async with app_server() as server:
        addresses = [
            (method.upper(), path.replace("{", "").replace("}", ""))
            for path, methods in server.app.openapi()["paths"].items()
            for method in methods
            if path not in recognition.UPLOADS | jobs.UPLOADS or method != "post"
        ]
        assert ("POST", "/v1/realtime/client_secrets") in addresses
        addresses += [("GET", "/"), ("PUT", "/nowhere"), ("DELETE", "/recognize")]
        url = server.url.replace("ws", "http")
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            for method, path in addresses:
                declared = await client.request(method, path, content=bytes(SMALL_BYTES + 1))
                assert_error(declared, 413, None, "body_too_large")
                chunked = await client.request(method, path, content=chunks([b"[1," * 1000] * 22))
                assert_error(chunked, 413, None, "body_too_large")
        for number in ("9" * 30, "9" * 10_000):
            answer = await sent(
                server, head("/recognize", 0).replace(b"h: 0", b"h: %b" % number.encode())
            )
            assert answer.status in (400, 413)


async def chunks(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def sent(server: AppServer, data: bytes) -> Answer:
    async with raw(server.url) as connection:
        await connection.send(data)
        return await connection.answer()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/recognize", KIND), ("/v1/realtime/client_secrets", "application/json")],
)
async def test_a_body_that_stops_is_answered(path: str, kind: str) -> None:
    async with app_server(body_idle_s=TINY_S) as server:
        declared, chunked = head(path, 1000, kind), head(path, None, kind)
        stopped = [declared, declared + b"--zhiyin-form\r\n", chunked, chunked + b"1;" + b"x" * 99]
        for begun in stopped:
            answer = await sent(server, begun)
            assert (answer.status, answer.code) == (408, "request_timeout")
            assert answer.headers["connection"] == "close"


async def test_a_body_that_trickles_is_answered() -> None:
    """Each pause is short, but the whole is too slow."""
    async with (
        app_server(body_idle_s=1.0, body_bytes_s=1 << 20) as server,
        raw(server.url) as connection,
    ):
        await connection.send(head("/recognize", 1_000_000) + b"--zhiyin-form\r\n")
        trickle = asyncio.create_task(trickled(connection))
        answer = await connection.answer()
        trickle.cancel()
    assert (answer.status, answer.code) == (408, "request_timeout")


async def trickled(connection: RawConnection) -> None:
    while True:
        await connection.send(b"x")
        await asyncio.sleep(0.05)


async def test_a_slow_body_that_is_fast_enough_is_read() -> None:
    limits = ConnectionLimits(head_s=0.2)  # of heads, not of bodies
    async with (
        app_server(body_bytes_s=1.0, connections=limits) as server,
        raw(server.url) as connection,
    ):
        await connection.send(head("/recognize", len(BODY)))
        for at in range(0, len(BODY), len(BODY) // 9):
            await connection.send(BODY[at : at + len(BODY) // 9])
            await asyncio.sleep(0.05)
        answer = await connection.answer()
    assert answer.status == 200, answer.body


async def test_clients_that_stall_take_no_place_from_others() -> None:
    """Neither before the recording nor in it."""
    async with app_server(uploads=2) as server, AsyncExitStack() as stalled:
        for number in range(20):
            connection = await stalled.enter_async_context(raw(server.url))
            await connection.send(head("/recognize", 90_000) + BODY[: number * 500])
        for _ in range(3):
            answer = await sent(server, head("/recognize", len(BODY)) + BODY)
            assert answer.status == 200, answer.body


async def test_what_arrives_at_once_is_bounded_in_bytes() -> None:
    async with app_server(arriving=2_000_000) as server:
        context = server.app.state.context
        large = head("/recognize", 1_000_000) + BODY[:200] + bytes(950_000)
        async with AsyncExitStack() as held:
            for _ in range(2):
                await (await held.enter_async_context(raw(server.url))).send(large)
            await until(lambda: context.arriving_bytes > 1_800_000)
            answer = await sent(server, large)
            assert (answer.status, answer.code) == (429, "overloaded")
        await until(lambda: context.arriving_bytes == 0)
        assert (await sent(server, head("/recognize", len(BODY)) + BODY)).status == 200


async def test_places_are_taken_by_what_is_recognized() -> None:
    async with app_server(uploads=1) as server:
        context = server.app.state.context
        with context.upload_slot():
            answer = await sent(server, head("/recognize", 1000))
            assert (answer.status, answer.code) == (429, "overloaded")
            assert int(answer.headers["retry-after"]) >= 1
        assert (await sent(server, head("/recognize", len(BODY)) + BODY)).status == 200
        assert context.running == 0
