"""Chinese script in every API and format, with the real model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opencc import OpenCC
from websockets.asyncio.client import connect

from tests.support import media
from tests.support.caption_client import address, finals, read_until
from tests.support.command_line import zhiyin
from tests.support.realtime_client import COMPLETED, opened, sound
from tests.support.server import Server, running
from tests.support.stream_client import S16, check, hear, say, spoken, texts
from tests.support.stream_client import opened as streaming

NAME = "zh_short"  # 关闭客厅的电视。
SIMPLIFIED, TAIWAN = "电视", "電視"
CONFIGS = {
    "simplified": "t2s", "traditional": "s2t", "traditional-tw": "s2tw", "traditional-hk": "s2hk",
}  # fmt: skip


@pytest.fixture(scope="module")
def own(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a history of its own."""
    env = {
        "ZHIYIN_HISTORY__URL": f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('h')}/h.db",
        "ZHIYIN_JOBS__DATABASE": f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('j')}/j.db",
    }
    with running(data_dir, **env) as server:
        yield server


@pytest.fixture(scope="module")
def client(own: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own.url, timeout=120) as made:
        yield made


def ask(client: httpx.Client, path: str = "/recognize", **fields: str) -> httpx.Response:
    answer = client.post(path, files={"file": media.path(NAME).read_bytes()}, data=fields)
    assert answer.status_code in (200, 202), answer.text
    return answer


@pytest.fixture(scope="module")
def as_written(client: httpx.Client) -> str:
    """What the model writes."""
    text: str = ask(client, language="zh", script="as-is").json()["text"]
    return text


@pytest.mark.parametrize("script", CONFIGS)
def test_the_script_that_is_asked_for(client: httpx.Client, as_written: str, script: str) -> None:
    body = ask(client, language="zh", script=script, words="true").json()
    assert body["text"] == OpenCC(CONFIGS[script]).convert(as_written)
    words = "".join(w["word"] for s in body["segments"] for w in s["words"])
    assert words.replace(" ", "") == body["text"].replace(" ", "")


@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        ("", SIMPLIFIED), ("zh", SIMPLIFIED), ("zh-CN", SIMPLIFIED), ("zh-TW", TAIWAN),
        ("zh-Hant", TAIWAN), ("zh-HK", TAIWAN), ("zh_TW.UTF-8", TAIWAN), ("繁體中文", TAIWAN),
    ],
)  # fmt: skip
def test_the_language_tag_decides(client: httpx.Client, language: str, wanted: str) -> None:
    assert wanted in ask(client, language=language).json()["text"]


def test_a_wrong_script_is_named(client: httpx.Client) -> None:
    answer = client.post("/recognize", files={"file": b"x"}, data={"script": "cursive"})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "script"


@pytest.mark.parametrize("fmt", ["json", "text", "srt", "vtt", "verbose_json"])
def test_openai_in_every_format(client: httpx.Client, fmt: str) -> None:
    path, fields = "/v1/audio/transcriptions", {"model": "whisper-1", "response_format": fmt}
    assert TAIWAN in ask(client, path, language="zh-TW", **fields).text
    assert SIMPLIFIED in ask(client, path, language="zh", **fields).text


def test_streamed(client: httpx.Client) -> None:
    assert TAIWAN in ask(client, stream="true", language="zh-TW").text
    fields = {"model": "whisper-1", "stream": "true"}
    assert TAIWAN in ask(client, "/v1/audio/transcriptions", script="traditional", **fields).text


def test_cached_and_stored_and_searched(client: httpx.Client) -> None:
    answers = [ask(client, language="zh", script="traditional-tw", prompt="再一次") for _ in "12"]
    assert [a.headers["X-Zhiyin-Cache"] for a in answers] == ["miss", "hit"]
    assert answers[0].json()["text"] == answers[1].json()["text"]
    request_id = answers[1].headers["X-Request-ID"]
    for _ in range(200):
        found = client.get(f"/v1/history/{request_id}")
        if found.status_code == 200:
            break
        time.sleep(0.05)
    assert TAIWAN in found.json()["text"]
    listed = client.get("/v1/history", params={"q": TAIWAN}).json()["data"]
    assert request_id in [entry["request_id"] for entry in listed]
    assert TAIWAN in client.get(f"/v1/history/{request_id}", params={"format": "srt"}).text


def test_jobs(client: httpx.Client) -> None:
    made = ask(client, "/v1/jobs", language="zh-TW").json()
    for _ in range(600):
        state = client.get(f"/v1/jobs/{made['id']}").json()["state"]
        if state not in ("queued", "running"):
            break
        time.sleep(0.1)
    for fmt in ("json", "srt", "text"):
        assert TAIWAN in client.get(f"/v1/jobs/{made['id']}/result", params={"format": fmt}).text


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        ({"language": "zh"}, SIMPLIFIED), ({"language": "zh-TW"}, TAIWAN),
        ({"language": "zh", "script": "traditional-hk"}, TAIWAN),
    ],
)  # fmt: skip
async def test_live(own: Server, start: dict[str, Any], wanted: str) -> None:
    async with streaming(own, **start) as (socket, _):
        await say(socket, media.encode(spoken(NAME), S16))
        await socket.send('{"type": "eof"}')
        wire = await hear(socket)
    check(wire)
    assert wanted in texts(wire)


@pytest.mark.parametrize("query", ["language=zh-TW", "language=zh&script=traditional"])
async def test_captions(own: Server, query: str) -> None:
    async with connect(address(own, f"?{query}")) as socket:
        await say(socket, media.encode(spoken(NAME), S16))
        await socket.send("eof")
        wire = await read_until(socket, "end")
    assert TAIWAN in "".join(finals(wire))


@pytest.mark.parametrize("fields", [{"language": "zh-TW"}, {"script": "traditional"}])
async def test_realtime(own: Server, fields: dict[str, str]) -> None:
    async with opened(own, "intent=transcription") as wire:
        await wire.next()
        given = {"audio": {"input": {"transcription": fields}}}
        await wire.send("session.update", session={"type": "transcription", **given})
        await wire.append(sound(NAME))
        done = (await wire.until(COMPLETED))[-1]
    assert TAIWAN in done["transcript"]


def test_the_command_line(data_dir: Path) -> None:
    told = zhiyin("transcribe", str(media.path(NAME)), "-l", "zh-TW", data_dir=data_dir)
    assert TAIWAN in told.stdout
    told = zhiyin("transcribe", str(media.path(NAME)), "--script", "traditional", data_dir=data_dir)
    assert TAIWAN in told.stdout


async def test_the_operators_default(data_dir: Path, tmp_path: Path) -> None:
    env = {"ZHIYIN_TEXT__SCRIPT": "traditional-tw", "ZHIYIN_HISTORY__ENABLED": "false"}
    with running(data_dir, **env) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:
            data = media.path(NAME).read_bytes()
            answers = await asyncio.gather(
                *(
                    client.post("/recognize", files={"file": data}, data={"language": tag})
                    for tag in ("zh", "zh-CN")
                )
            )
    assert TAIWAN in answers[0].json()["text"]
    assert SIMPLIFIED in answers[1].json()["text"]
