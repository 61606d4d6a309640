"""Two servers and one Redis behind the nginx that is shipped: clients know one address only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support import media
from tests.support.caption_client import finals, read_until, shared_rooms
from tests.support.nginx import nginx
from tests.support.server import Server, running
from tests.support.stream_client import S16, check, texts
from tests.support.valkey import valkey
from zhiyin.store.cipher_aesgcm import generate

SPOKEN = media.encode(media.samples("en_sentences"), S16)
CLIENTS = [f"127.0.0.{i}" for i in range(2, 10)]
"""nginx picks a server by the client's address; all of 127/8 is loopback (Linux)."""


@dataclass(frozen=True)
class Site:
    """What clients see, and what is behind it."""

    url: str
    servers: tuple[Server, Server]

    def ws(self, path: str) -> str:
        return self.url.replace("http:", "ws:") + path

    def connected(self, path: str) -> list[int]:
        """Connections at each server to that route."""
        return [sum("connected" in x and path in x for x in s.logs) for s in self.servers]


@pytest.fixture(scope="module")
def site(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """With a history of its own: under its keys other tests could not read the shared one."""
    history = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('history')}/h.db"
    own = {"ZHIYIN_ENCRYPTION__KEYS": generate(), "ZHIYIN_HISTORY__URL": history}
    with valkey() as redis:
        settings = shared_rooms(redis) | own
        with (
            running(data_dir, **settings) as here,
            running(data_dir, **settings) as there,
            nginx([here.url, there.url]) as url,
        ):
            yield Site(url, (here, there))


async def resume(site: Site, host: str) -> list[dict[str, Any]]:
    """Speak with a connection that breaks halfway; all events of both."""
    half = len(SPOKEN) // 4 * 2
    start = {"type": "start", "language": "en"}
    async with connect(site.ws("/v1/stream"), local_addr=(host, 0)) as socket:
        await socket.send(json.dumps(start))
        ready = json.loads(await socket.recv())
        events = await _until_final(socket, SPOKEN[:half])
        socket.transport.abort()
    numbers = [e["event"] for e in events if "event" in e]
    again = {"type": "resume", "session_id": ready["session_id"], "last_event": max(numbers)}
    async with connect(site.ws("/v1/stream"), local_addr=(host, 0)) as socket:
        await socket.send(json.dumps(again))
        ready = json.loads(await socket.recv())
        assert ready["type"] == "ready", ready
        await socket.send(SPOKEN[ready["received_bytes"] :])
        await socket.send('{"type": "eof"}')
        return events + [json.loads(message) async for message in socket]


async def _until_final(socket: ClientConnection, data: bytes) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    await socket.send(data)
    async with asyncio.timeout(60):
        while not events or events[-1]["type"] != "final":
            events.append(json.loads(await socket.recv()))
    return events


async def test_sessions_go_on_at_the_server_that_has_them(site: Site) -> None:
    for host in CLIENTS:
        events = await resume(site, host)
        check(events)
        assert events[-1]["type"] == "done"
        assert media.heard(media.reference("en_sentences"), texts(events)) > 0.7
    assert all(site.connected("/v1/stream")), "one server had all of them"


async def test_a_room_is_one_room(site: Site) -> None:
    watching = site.ws("/ws/subtitle?room=hall&role=viewer")
    viewers = [await connect(watching) for _ in range(6)]
    async with connect(site.ws("/ws/subtitle?room=hall&role=speaker&language=en")) as speaker:
        for at in range(0, len(SPOKEN), 32_000):
            await speaker.send(SPOKEN[at : at + 32_000])
        await speaker.send("eof")
        said = finals(await read_until(speaker, "end"))
    assert said
    for viewer in viewers:
        assert finals(await read_until(viewer, "end")) == said
        await viewer.close()
    assert all(site.connected("/ws/subtitle")), "one server had all of them"
    async with httpx.AsyncClient(base_url=site.url) as client:
        files = [(await client.get("/captions/hall/export?format=txt")).text for _ in range(4)]
    assert len(set(files)) == 1
    assert [line for line in files[0].splitlines() if line] == said


async def test_a_browsers_token_is_good_at_each_server(site: Site) -> None:
    asked = {"session": {"type": "transcription", "audio": {"input": {"turn_detection": None}}}}
    async with httpx.AsyncClient(base_url=site.url) as client:
        answers = [await client.post("/v1/realtime/client_secrets", json=asked) for _ in range(3)]
    opened = []
    for token in [answer.json()["value"] for answer in answers] * 4:
        offered = [Subprotocol(p) for p in ("realtime", f"openai-insecure-api-key.{token}")]
        address = site.ws("/v1/realtime?intent=transcription")
        opened.append(await connect(address, subprotocols=offered))
        created = json.loads(await opened[-1].recv())
        assert created["session"]["audio"]["input"]["turn_detection"] is None
    for socket in opened:
        await socket.close()
    assert all(site.connected("/v1/realtime")), "one server had all of them"


def test_uploads_and_answers_pass(site: Site) -> None:
    recording = media.path("en_short")
    form = {"model": "whisper-1", "stream": "true", "language": "en"}
    with httpx.Client(base_url=site.url, timeout=60) as client:
        for _ in range(4):
            files = {"file": (recording.name, recording.read_bytes())}
            answer = client.post("/v1/audio/transcriptions", data=form, files=files)
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert "transcript.text.done" in answer.text
        assert "text/html" in client.get("/").headers["content-type"]
        for origin, status in ((site.url, 200), ("https://evil.example", 403)):
            assert client.get("/v1/models", headers={"Origin": origin}).status_code == status


def test_one_server_is_enough(data_dir: Path) -> None:
    """The other one is killed: requests go to the one that is left, and none fails."""
    recording = media.path("en_short").read_bytes()
    with (
        running(data_dir) as stays,
        running(data_dir) as dies,
        nginx([stays.url, dies.url]) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        dies.process.kill()
        dies.process.wait()
        for _ in range(4):
            answer = client.post("/recognize", files={"file": ("a.flac", recording)})
            assert answer.status_code == 200, answer.text
