"""/v1/history on a real server: what was recognized is found again, by its owner's wish."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tools.mariadb import MariaDb

from tests.support import media
from tests.support.processes import environment
from tests.support.server import Server, running
from zhiyin.store.cipher_aesgcm import generate

WAIT_S = 30.0


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=120) as made:
        yield made


@contextmanager
def serving(data_dir: Path, **env: str) -> Iterator[tuple[Server, httpx.Client]]:
    """A server of its own, and a client of it."""
    with (
        running(data_dir, **env) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        yield server, client


def send(client: httpx.Client, name: str = "en_short", **fields: str) -> httpx.Response:
    files = {"file": ("a.flac", media.path(name).read_bytes())}
    answer = client.post("/recognize", files=files, data={"language": name[:2], **fields})
    assert answer.status_code == 200, answer.text
    return answer


def kept(client: httpx.Client, request_id: str) -> dict[str, Any]:
    """The entry of a request, once it is written."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        answer = client.get(f"/v1/history/{request_id}")
        if answer.status_code == 200:
            body: dict[str, Any] = answer.json()
            return body
        time.sleep(0.05)
    raise AssertionError(answer.text)


def found(client: httpx.Client, **filters: Any) -> list[str]:
    answer = client.get("/v1/history", params=filters)
    assert answer.status_code == 200, answer.text
    return [one["request_id"] for one in answer.json()["data"]]


@pytest.mark.parametrize("name", ["en_short", "zh_short"])
def test_what_was_recognized_is_kept(client: httpx.Client, name: str) -> None:
    answer = send(client, name, words="true")
    body = answer.json()
    entry = kept(client, body["id"])
    for key in ("text", "language", "duration", "model", "engine", "segments", "task"):
        assert entry[key] == body[key], key
    assert entry["door"] == "recognize"
    assert entry["latency"] >= 0  # rounded; what was asked before comes from the cache
    assert entry["id"].startswith("tr_")
    assert client.get(f"/v1/history/{entry['id']}").json() == entry
    words = media.units(body["text"])
    q = "".join(words[:3]) if name == "zh_short" else words[-1]
    assert body["id"] in found(client, q=q, language=name[:2], model=body["model"])
    assert body["id"] not in found(client, q=q, language="fr")
    assert body["id"] not in found(client, q="zzzz")


def test_every_format_and_its_name(client: httpx.Client) -> None:
    entry = kept(client, send(client).json()["id"])
    path = f"/v1/history/{entry['id']}"
    assert client.get(path, params={"format": "txt"}).text == entry["text"] + "\n"
    assert client.get(path, params={"format": "srt"}).text.startswith("1\n00:00:")
    vtt = client.get(path, params={"format": "vtt"})
    assert vtt.text.startswith("WEBVTT")
    assert vtt.headers["content-disposition"] == f'attachment; filename="{entry["id"]}.vtt"'
    assert vtt.headers["cache-control"] == "no-store"
    assert client.get(path, params={"format": "verbose_json"}).json()["language"] == "english"
    assert client.get(path, params={"format": "pdf"}).status_code == 400


def test_every_http_door_remembers(client: httpx.Client) -> None:
    files = {"file": ("a.flac", media.path("en_short").read_bytes())}
    for path in ("/v1/audio/transcriptions", "/v1/audio/translations"):
        answer = client.post(path, files=files, data={"model": "whisper-1"})
        assert kept(client, answer.headers["x-request-id"])["door"] == "openai"
    streamed = client.post("/recognize", files=files, data={"stream": "true"})
    assert kept(client, streamed.headers["x-request-id"])["door"] == "recognize"


def test_an_answer_from_the_cache_is_remembered_once(client: httpx.Client) -> None:
    """Each request has its own entry, whoever recognized it; a stream and no-store too."""
    first = send(client, prompt="Once.")
    files = {"file": ("a.flac", media.path("en_short").read_bytes())}
    fields = {"language": "en", "prompt": "Once."}
    asked = [
        (fields, {}),
        ({**fields, "stream": "true"}, {}),
        (fields, {"Cache-Control": "no-store"}),
    ]
    answers = [
        client.post("/recognize", files=files, data=data, headers=headers)
        for data, headers in asked
    ]
    outcomes = [answer.headers["x-zhiyin-cache"] for answer in (first, *answers)]
    assert outcomes == ["miss", "hit", "hit", "bypass"]
    ids = [answer.headers["x-request-id"] for answer in (first, *answers)]
    entries = [kept(client, request_id) for request_id in ids]
    assert {entry["text"] for entry in entries} == {first.json()["text"]}
    listed = found(client, limit=200)
    assert [listed.count(request_id) for request_id in ids] == [1] * 4


def test_store_false_keeps_nothing(client: httpx.Client) -> None:
    hidden = [send(client, store="false").json()["id"]]
    files = {"file": ("a.flac", media.path("en_short").read_bytes())}
    fields = {"model": "whisper-1", "store": "false", "stream": "true"}
    answer = client.post("/v1/audio/transcriptions", files=files, data=fields)
    hidden.append(answer.headers["x-request-id"])
    kept(client, send(client).json()["id"])  # written in order: what came before was not kept
    for request_id in hidden:
        assert client.get(f"/v1/history/{request_id}").status_code == 404


def test_delete(client: httpx.Client) -> None:
    entry = kept(client, send(client).json()["id"])
    path = f"/v1/history/{entry['id']}"
    assert client.delete(path).status_code == 204
    for again in (client.delete(path), client.get(path)):
        assert again.status_code == 404
        assert again.json()["error"]["code"] == "not_found"
    assert entry["request_id"] not in found(client)


def test_pages_follow_their_cursor(client: httpx.Client) -> None:
    ids = [send(client).json()["id"] for _ in range(5)]
    kept(client, ids[-1])
    seen: list[str] = []
    cursor = ""
    while len(seen) < 5:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/history", params=params).json()
        assert len(page["data"]) == 2
        seen += [one["request_id"] for one in page["data"]]
        cursor = page["next_cursor"]
    assert seen[:5] == ids[::-1]


def test_everything_can_be_exported(client: httpx.Client) -> None:
    ids = [send(client).json()["id"] for _ in range(3)]
    kept(client, ids[-1])
    answer = client.get("/v1/history/export", params={"limit": 1, "language": "en"})
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [one["request_id"] for one in lines[:3]] == ids[::-1]
    assert lines[0] == kept(client, ids[-1])
    assert {one["language"] for one in lines} == {"en"}
    assert client.get("/v1/history/export", params={"cursor": "x"}).status_code == 400


def test_times_are_filters(client: httpx.Client) -> None:
    entry = kept(client, send(client).json()["id"])
    made = entry["created"]
    assert entry["request_id"] in found(client, **{"from": made})
    assert entry["request_id"] not in found(client, to=made)
    assert entry["request_id"] in found(client, **{"from": "2026-01-01", "to": "2199-01-01T00:00"})


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "cffffffffffffffff"}, "cursor"),
        ({"cursor": "c0000000000000001' OR 1=1"}, "cursor"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"from": "yesterday"}, "from"),
        ({"to": "9999-01-01"}, "to"),
        ({"language": "klingon"}, "language"),
        ({"q": "x" * 201}, "q"),
        ({"owner": "bob"}, "owner"),
    ],
)
def test_wrong_questions_are_refused(client: httpx.Client, params: Any, param: str) -> None:
    answer = client.get("/v1/history", params=params)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    "name",
    ["x", "tr_0000000000000001", "tr_ffffffffffffffff", "'%20OR%201=1", "..%2f..%2fetc", "%00",
     "a" * 3000, "%F0%9F%98%80", "%ff"],
)  # fmt: skip
def test_unknown_ids_are_not_found(client: httpx.Client, name: str) -> None:
    assert client.get(f"/v1/history/{name}").status_code == 404
    assert client.delete(f"/v1/history/{name}").status_code == 404


def test_without_a_history_nothing_is_kept(data_dir: Path) -> None:
    with serving(data_dir, ZHIYIN_HISTORY__ENABLED="false") as (_, client):
        body = send(client).json()
        for path in ("/v1/history", f"/v1/history/{body['id']}"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "history_off"


def test_encrypted_by_a_key_and_lost_without_it(data_dir: Path, tmp_path: Path) -> None:
    env = {
        "ZHIYIN_HISTORY__URL": f"sqlite+aiosqlite:///{tmp_path}/h.db",
        "ZHIYIN_ENCRYPTION__KEYS": generate("k1"),
    }
    with serving(data_dir, **env) as (server, client):
        body = send(client).json()
        kept(client, body["id"])
        raw = b"".join(p.read_bytes() for p in tmp_path.glob("h.db*"))
        assert not any(word.encode() in raw for word in body["text"].split() if len(word) > 3)
        assert client.get("/health/ready").json() == {"status": "ready"}
    for keys in ("", generate("k1"), generate("k2")):
        env["ZHIYIN_ENCRYPTION__KEYS"] = keys
        with serving(data_dir, **env) as (server, client):
            send(client)
            for path in ("/v1/history", f"/v1/history/{body['id']}"):
                answer = client.get(path)
                assert answer.status_code == 500
                assert answer.json()["error"]["code"] == "cannot_decrypt"
            assert "history" in client.get("/health/ready").json()["troubles"]
            shown = "".join(server.logs)
            assert "the history is not written" in shown
            assert not keys or keys.split(":")[1] not in shown


def test_recognition_goes_on_without_the_database(data_dir: Path, tmp_path: Path) -> None:
    with MariaDb(tmp_path / "server") as database:
        database.sql("CREATE DATABASE history")
        env = {"ZHIYIN_HISTORY__URL": database.url("history"), "ZHIYIN_HISTORY__TIMEOUT_S": "2"}
        database.stop()
        with serving(data_dir, **env) as (_, client):
            first = send(client).json()["id"]
            away = client.get("/v1/history")
            assert away.status_code == 503
            assert away.json()["error"]["code"] == "history_unavailable"
            ready = client.get("/health/ready")
            assert ready.status_code == 200
            assert ready.json()["troubles"]["history"]
            database.start()
            done = subprocess.run(
                [sys.executable, "-m", "zhiyin", "migrate"],
                env=environment(**env), capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            kept(client, first)
            assert client.get("/health/ready").json() == {"status": "ready"}
            database.stop()
            second = send(client).json()["id"]
            assert client.get("/v1/history").status_code == 503
            database.start()
            kept(client, second)


def test_old_transcripts_are_swept_away(data_dir: Path, tmp_path: Path) -> None:
    env = {
        "ZHIYIN_HISTORY__URL": f"sqlite+aiosqlite:///{tmp_path}/h.db",
        "ZHIYIN_HISTORY__RETENTION_DAYS": "0.00005",
        "ZHIYIN_HISTORY__SWEEP_S": "1",
    }
    with serving(data_dir, **env) as (_, client):
        kept(client, send(client).json()["id"])
        end = time.monotonic() + WAIT_S
        while found(client):
            assert time.monotonic() < end
            time.sleep(0.2)
