"""What a caption room gives as a file, who may have it, and viewers who take nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support import media
from tests.support.caption_client import address, finals, read_until
from tests.support.caption_rooms import final, replicas
from tests.support.server import Server, running
from tests.support.stream_client import S16, say
from tests.support.valkey import Valkey
from zhiyin.domain.caller import Caller
from zhiyin.domain.live import Final
from zhiyin.store.captions_redis import RedisCaptions
from zhiyin.store.cipher_plain import PlainRing

NAMES = ["a b", "..", "a.srt", "%0d%0aSet-Cookie:%20a=b", "%E5%8E%85", "x" * 65, "a%00b", '"x"']


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Redis, so that the test itself can be a replica."""
    started = Valkey(tmp_path_factory.mktemp("valkey"))
    started.start()
    yield started
    started.kill()


@pytest.fixture(scope="module")
def guarded(data_dir: Path, valkey: Valkey) -> Iterator[Server]:
    """A server with tokens, small limits, and a Redis."""
    settings = {
        "ZHIYIN_CAPTIONS__URL": valkey.url,
        "ZHIYIN_CAPTIONS__PUBLISH_TOKEN": "may-speak",
        "ZHIYIN_CAPTIONS__VIEW_TOKEN": "may-read",
        "ZHIYIN_CAPTIONS__STALL_S": "1",
        "ZHIYIN_CAPTIONS__WAITING": "50",
    }
    with running(data_dir, **settings) as server:
        yield server


def get(server: Server, path: str, **more: Any) -> httpx.Response:
    return httpx.get(server.url + path, trust_env=False, timeout=30, **more)


async def test_a_room_becomes_a_file(server: Server) -> None:
    path = "/captions/as-file/export"
    missing = get(server, path)
    assert missing.status_code == 404
    assert missing.json()["error"]["code"] == "room_not_found"
    async with connect(address(server, "?room=as-file&language=en")) as speaker:
        await say(speaker, media.encode(media.samples("en_sentences"), S16))
        await speaker.send("eof")
        texts = [text.strip() for text in finals(await read_until(speaker, "end")) if text]
    files = {kind: get(server, path, params={"format": kind}) for kind in ("srt", "vtt", "txt")}
    assert files["txt"].text.splitlines() == texts
    assert get(server, path).text == files["txt"].text
    assert files["vtt"].text.startswith("WEBVTT\n")
    for kind, mime in {
        "srt": "application/x-subrip",
        "vtt": "text/vtt",
        "txt": "text/plain",
    }.items():
        answer = files[kind]
        assert answer.headers["content-type"].startswith(mime)
        assert answer.headers["content-disposition"] == f'attachment; filename="as-file.{kind}"'
        assert answer.headers["cache-control"] == "no-store"
    times = re.findall(r"(\S+) --> (\S+)", files["srt"].text)
    assert len(times) == len(texts)
    assert times == sorted(times)


def test_a_format_that_is_none_is_named(server: Server) -> None:
    answer = get(server, "/captions/hall/export", params={"format": "exe"})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "format"


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_carries_nothing_elsewhere(server: Server, name: str) -> None:
    answer = get(server, f"/captions/{name}/export")
    assert answer.status_code in (400, 404)
    assert "set-cookie" not in answer.headers
    assert "content-disposition" not in answer.headers
    async with connect(address(server, f"?role=viewer&room={name.replace(' ', '%20')}")) as socket_:
        (event,) = await read_until(socket_, "error")
    assert event["error"]["param"] == "room"


def test_files_are_for_viewers(guarded: Server) -> None:
    path = "/captions/hall/export"
    for query, headers in (
        ({}, {}),
        ({"token": "may-speak"}, {}),
        ({"token": "may-reads"}, {}),
        ({}, {"Authorization": "Bearer wrong"}),
        ({"token": "漢"}, {}),
    ):
        answer = get(guarded, path, params=query, headers=headers)
        assert answer.status_code == 401
    assert get(guarded, path, params={"token": "may-read"}).status_code == 404
    bearer = {"Authorization": "Bearer may-read"}
    assert get(guarded, path, headers=bearer).status_code == 404


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("role=viewer", False),
        ("role=viewer&token=may-speak", False),
        ("role=viewer&token=may-read", True),
        ("role=speaker&token=may-read", False),
        ("role=speaker&token=may-speak", True),
    ],
)
async def test_tokens_open_rooms(guarded: Server, query: str, allowed: bool) -> None:
    async with connect(address(guarded, f"?room=hall&{query}")) as socket_:
        if "speaker" in query and allowed:
            await socket_.send("eof")
        event = json.loads(await socket_.recv())
        assert (event["type"] != "error") == allowed
        if not allowed:
            assert event["error"]["code"] == "invalid_api_key"
            with pytest.raises(ConnectionClosed):
                await socket_.recv()
            assert (socket_.close_code, socket_.close_reason) == (1008, "invalid_api_key")


@pytest.mark.parametrize(
    ("offered", "allowed"),
    [
        (["captions", "captions-token.bWF5LXJlYWQ"], True),
        (["captions-token.bWF5LXJlYWQ", "captions"], True),
        (["captions", "captions-token.bWF5LXNwZWFr"], False),
        (["captions", "captions-token.x"], False),
        (["captions", "captions-token.~"], False),
        (["captions"], False),
    ],
)
async def test_a_token_may_come_as_a_subprotocol(
    guarded: Server, offered: list[str], allowed: bool
) -> None:
    """A browser's script can set no header, and addresses are logged by proxies."""
    protocols = [Subprotocol(name) for name in offered]
    url = address(guarded, "?room=hall&role=viewer")
    async with connect(url, subprotocols=protocols) as socket_:
        assert socket_.subprotocol == "captions"
        assert (json.loads(await socket_.recv())["type"] != "error") == allowed


async def test_a_viewer_that_takes_nothing_is_closed(guarded: Server, valkey: Valkey) -> None:
    """The test is a replica whose speaker says much; another viewer gets all of it."""
    query = "?room=flood&role=viewer&token=may-read"
    texts = [_noise() for _ in range(400)]
    async with (
        replicas(RedisCaptions(valkey.url, PlainRing())) as (rooms,),
        connect(address(guarded, query), max_size=None) as good,
        _deaf(address(guarded, query)) as deaf,
    ):
        await read_until(good, "history")
        speaker = await rooms.speak("flood", Caller())
        for number, text in enumerate(texts):
            speaker.publish(Final(number, text, number, number + 1, "en", 0.9, "vad"))
        seen: list[str] = []
        async with asyncio.timeout(60):
            while len(seen) < len(texts):
                event = json.loads(await good.recv())
                seen.append(event["text"])
        assert seen == texts
        await asyncio.sleep(1.5)  # the limit for those who take nothing, and a little
        last = await _last(deaf)
        speaker.publish(final(1000, "still here"))
        assert json.loads(await good.recv())["text"] == "still here"
        await speaker.finish()
    assert last["error"]["code"] == "too_slow"
    assert deaf.close_code == 1013


def test_logs_hold_no_tokens_and_no_words(guarded: Server) -> None:
    get(guarded, "/captions/hall/export", params={"token": "may-read"})
    assert not any("may-" in line or "still here" in line for line in guarded.logs)


def _noise() -> str:
    """What can't be compressed."""
    return base64.b64encode(os.urandom(15_000)).decode()


def _deaf(url: str) -> connect:
    """A connection that reads only when asked to, with little room on the way."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((parts.hostname, parts.port))
    raw.setblocking(False)
    return connect(url, sock=raw, max_size=None, max_queue=1)


async def _last(socket_: ClientConnection) -> Any:
    event = None
    async with asyncio.timeout(60):
        try:
            while True:
                event = json.loads(await socket_.recv())
        except ConnectionClosed:
            return event
