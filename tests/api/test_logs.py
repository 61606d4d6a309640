"""A server at its most talkative: every line has its request, and none has what was said."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import websockets

from tests.support import media
from tests.support.log_leaks import SECRET, leaks
from tests.support.server import Server, running

GOOD = media.path("en_short").read_bytes()
MARKED = {"Authorization": f"Bearer {SECRET}", "User-Agent": SECRET, "Referer": f"http://{SECRET}"}


@pytest.fixture(scope="module")
def server(data_dir: Path) -> Iterator[Server]:
    env = {
        "ZHIYIN_LOG__LEVEL": "debug",
        "ZHIYIN_LOG__FORMAT": "json",
        "ZHIYIN_SERVER__MAX_UPLOAD_MB": "2",
        "ZHIYIN_CAPTIONS__PUBLISH_TOKEN": SECRET,
    }
    with running(data_dir, **env) as started:
        yield started


def lines_of(server: Server, request_id: str, last: str) -> list[dict[str, Any]]:
    """The lines of a request, once the line that ends it is there."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        parsed = [json.loads(line) for line in tuple(server.logs)]
        found = [line for line in parsed if line.get("request_id") == request_id]
        if found and found[-1]["message"] == last:
            return found
        time.sleep(0.02)
    raise AssertionError(f"no line {last!r} of {request_id}: {server.logs[-20:]}")


def test_a_request_leaves_one_line(server: Server) -> None:
    with httpx.Client(base_url=server.url, timeout=60, headers=MARKED) as client:
        answer = client.post(
            "/recognize",
            params={"api_key": SECRET},
            files={"file": (f"{SECRET}.flac", GOOD)},
            data={"language": "en", "prompt": f"{SECRET} kitchen", "hotwords": SECRET},
        )
    assert "kitchen" in answer.text
    (line,) = lines_of(server, answer.headers["x-request-id"], "answered")
    shown = {k: line[k] for k in ("method", "route", "status", "client", "cache", "level")}
    assert shown == {
        "method": "POST", "route": "/recognize", "status": 200, "client": "127.0.0.0",
        "cache": "miss", "level": "info",
    }  # fmt: skip


def sent(data: bytes, **fields: str) -> dict[str, Any]:
    """A form for httpx."""
    return {"files": {"file": (f"{SECRET}.wav", data)}, "data": fields}


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("POST", "/recognize", sent(SECRET.encode() * 99), 400),
        ("POST", "/recognize", sent(GOOD, **{SECRET: SECRET}), 400),
        ("POST", "/recognize", sent(GOOD, model=SECRET), 404),
        ("POST", "/recognize", sent(GOOD[: len(GOOD) // 2]), 200),
        ("POST", "/recognize", {"content": SECRET}, 400),
        ("POST", "/recognize", sent(b"x" * (3 << 20)), 413),
        ("POST", "/v1/audio/translations", sent(GOOD), 400),
        ("GET", f"/v1/models/{SECRET}?email=ann@example.org", {}, 404),
        ("GET", f"/{SECRET}/ann@example.org", {}, 404),
        ("GET", f"/captions/{SECRET}", {}, 200),
        ("GET", f"/static/{SECRET}", {}, 404),
        ("GET", "/static/transcribe/main.js", {}, 200),
        ("DELETE", "/recognize", {}, 405),
        ("POST", "/v1/realtime/client_secrets", {"json": {"session": SECRET}}, 400),
    ],
)
def test_errors_tell_no_values(
    server: Server, method: str, path: str, more: dict[str, Any], status: int
) -> None:
    with httpx.Client(base_url=server.url, timeout=60, headers=MARKED) as client:
        answer = client.request(method, path, **more)
    assert answer.status_code == status, answer.text
    line = lines_of(server, answer.headers["x-request-id"], "answered")[-1]
    assert line["status"] == status
    assert SECRET not in line["route"]


def test_what_is_no_http_tells_no_values(server: Server) -> None:
    parts = urlsplit(server.url)
    broken = f"GET /?{SECRET} HTTP/1.1\r\nHost: x\r\n{SECRET}\r\n"
    for request in (f"{SECRET} {SECRET}\r\n\r\n", broken):
        with socket.create_connection((parts.hostname, parts.port), 30) as connection:
            connection.sendall(request.encode())
            connection.shutdown(socket.SHUT_WR)
            connection.recv(4096)


async def test_a_live_session_has_an_id_and_no_words(server: Server) -> None:
    url = server.url.replace("http", "ws") + f"/v1/stream?key={SECRET}"
    mine = {"X-Request-ID": "live-1", "Authorization": f"Bearer {SECRET}"}
    async with websockets.connect(url, additional_headers=mine) as socket_:
        assert socket_.response is not None
        assert socket_.response.headers["X-Request-ID"] == "live-1"
        await socket_.send(json.dumps({"type": "start", "language": "en", "prompt": SECRET}))
        await socket_.send(json.dumps({"type": SECRET, "text": SECRET}))
        await socket_.send((media.samples("en_short") * 32767).astype("<i2").tobytes())
        await socket_.send(json.dumps({"type": "eof"}))
        heard = [json.loads(message) async for message in socket_]
    assert any("kitchen" in json.dumps(event) for event in heard)
    lines = await asyncio.to_thread(lines_of, server, "live-1", "disconnected")
    assert lines[0]["message"] == "connected"
    assert {line["route"] for line in lines} == {"/v1/stream"}
    assert lines[-1]["code"] == 1000


@pytest.mark.parametrize(
    "path",
    [
        "/ws/subtitle?room={0}&token={0}",
        "/ws/subtitle?{0}=1",
        "/v1/realtime?model={0}",
        "/{0}",
    ],
)
async def test_refused_connections_tell_no_values(server: Server, path: str) -> None:
    url = server.url.replace("http", "ws") + path.format(SECRET)
    try:
        async with websockets.connect(url) as socket_:
            await socket_.send(SECRET)
            async for _ in socket_:
                pass
    except websockets.exceptions.WebSocketException:
        pass


def test_nothing_of_it_was_logged(server: Server) -> None:
    """After all the others of this file; every line is JSON, no library was quoted."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        answer = client.get("/health/live")
    assert lines_of(server, answer.headers["x-request-id"], "answered")[-1]["level"] == "debug"
    assert not leaks(server.logs)
    parsed = [json.loads(line) for line in server.logs]
    assert {line["logger"].split(".")[0] for line in parsed} <= {"zhiyin", "uvicorn"}
    of_requests = [line for line in parsed if line["message"] in ("answered", "connected")]
    assert all(line["request_id"] for line in of_requests)
    assert not [line for line in parsed if "exception" in line]
