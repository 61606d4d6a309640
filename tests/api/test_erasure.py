"""A caller's data is erased everywhere: on the disk and in Redis, in any state."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import redis
from websockets.asyncio.client import connect

from tests.support import media
from tests.support.caption_client import address, finals, read_until
from tests.support.command_line import zhiyin
from tests.support.jobs import recording, settings, submit, wait
from tests.support.server import Server, running
from tests.support.stream_client import S16, say
from tests.support.valkey import Valkey
from zhiyin.store.cipher_aesgcm import generate

PROMPT = "quokka-prompt"
SOUND = recording(30, 5.0)
NOTHING = {"history": 0, "jobs": 0, "recordings": 0, "captions": 0, "cache": 0}


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    folder = tmp_path / "valkey"
    folder.mkdir()
    server = Valkey(folder, lasting=False)
    server.start()
    yield server
    server.kill()


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def in_redis(valkey: Valkey) -> bytes:
    """All keys and values, in the form in which Redis writes them to files."""
    with redis.Redis.from_url(valkey.url) as client:
        keys = list(client.scan_iter())
        return b"".join(key + (client.dump(key) or b"") for key in keys)


async def spoken(server: Server) -> list[str]:
    """Captions of a speaker who has finished."""
    async with connect(address(server, "?room=hall&language=en")) as speaker:
        await say(speaker, media.encode(media.samples("en_short"), S16))
        await speaker.send("eof")
        return [text.strip() for text in finals(await read_until(speaker, "end")) if text.strip()]


def kept(http: httpx.Client) -> int:
    """Transcripts in the history."""
    return len(http.get("/v1/history").json()["data"])


def fill(server: Server, http: httpx.Client) -> tuple[list[str], list[bytes], int]:
    """Something of everything: ids of jobs in three states, what can be looked for, captions."""
    captions = asyncio.run(spoken(server))
    assert captions
    form = {"vad": "false", "language": "en"}
    said = http.post("/recognize", files={"file": ("a.wav", SOUND)}, data=form).json()["text"]
    done = submit(http, SOUND, prompt=PROMPT).json()["id"]
    assert wait(http, done)["state"] == "done"
    busy = submit(http, recording(31, 3000), prompt=PROMPT).json()["id"]
    wait(http, busy, "running")
    queued = submit(http, SOUND, prompt=PROMPT).json()["id"]
    while kept(http) < 3:
        time.sleep(0.05)
    traces = [PROMPT.encode(), said.encode(), SOUND[2000:2100], *(c.encode() for c in captions)]
    return [done, busy, queued], traces, len(captions)


@pytest.mark.parametrize("keys", ["", generate("k1")], ids=["plain", "encrypted"])
def test_everything_is_gone(tmp_path: Path, valkey: Valkey, keys: str) -> None:
    data = tmp_path / "data"
    environment = settings(
        ZHIYIN_CAPTIONS__URL=valkey.url, ZHIYIN_CACHE__URL=valkey.url, ZHIYIN_ENCRYPTION__KEYS=keys
    )

    def seen(traces: list[bytes]) -> list[bytes]:
        everything = on_disk(data) + in_redis(valkey)
        return [trace for trace in traces if trace in everything]

    with (
        running(data, **environment) as server,
        httpx.Client(base_url=server.url, timeout=60, trust_env=False) as http,
    ):
        jobs, traces, captions = fill(server, http)
        assert seen(traces) == ([] if keys else traces)
        begun = datetime.now(UTC) - timedelta(seconds=1)
        answer = http.delete("/v1/owners/me/data")
        assert answer.status_code == 200, answer.text
        receipt = answer.json()
        assert begun < datetime.fromisoformat(receipt.pop("erased_at")) <= datetime.now(UTC)
        counts = {"history": 3, "jobs": 3, "recordings": 3, "captions": captions, "cache": 2}
        assert receipt == {"owner": "anonymous"} | NOTHING | counts
        assert seen(traces) == []
        time.sleep(3)  # the worker of the job that ran has noticed it
        assert seen(traces) == []
        assert not [file for file in (data / "blobs").rglob("*") if file.is_file()]
        gone = [*(f"/v1/jobs/{job_id}" for job_id in jobs), "/captions/hall/export"]
        assert [http.get(path).status_code for path in gone] == [404] * 4
        assert (kept(http), http.get("/health/jobs").json()["running"]) == (0, 0)
        again = submit(http, SOUND).json()["id"]
        assert wait(http, again)["state"] == "done", "the service goes on"
        logs = "".join(server.logs)
    assert "Traceback" not in logs


def test_the_command_erases_while_the_service_runs(tmp_path: Path) -> None:
    with (
        running(tmp_path, **settings()) as server,
        httpx.Client(base_url=server.url, timeout=60, trust_env=False) as http,
    ):
        job_id = submit(http, recording(31, 3000)).json()["id"]
        wait(http, job_id, "running")
        other = erase(tmp_path, "somebody")
        assert {k: other[k] for k in NOTHING} == NOTHING
        assert http.get(f"/v1/jobs/{job_id}").status_code == 200
        receipt = erase(tmp_path, "anonymous")
        assert (receipt["jobs"], receipt["recordings"]) == (1, 1)
        assert http.get(f"/v1/jobs/{job_id}").status_code == 404
    asked = zhiyin("erase", "anonymous", data_dir=tmp_path, stdin=b"n\n", **settings())
    assert asked.returncode == 1
    assert "anonymous" in asked.stdout + asked.stderr


def erase(folder: Path, owner: str) -> dict[str, object]:
    """The receipt."""
    done = zhiyin("erase", owner, "--yes", data_dir=folder, stdin=None, **settings())
    assert done.returncode == 0, done.stderr
    receipt: dict[str, object] = json.loads(done.stdout)
    assert receipt["owner"] == owner
    return receipt


def test_history_that_was_switched_off_is_erased_too(tmp_path: Path) -> None:
    with (
        running(tmp_path, **settings()) as server,
        httpx.Client(base_url=server.url, timeout=60, trust_env=False) as http,
    ):
        form = {"vad": "false", "language": "en"}
        http.post("/recognize", files={"file": ("a.wav", SOUND)}, data=form).raise_for_status()
    with (
        running(tmp_path, **settings(ZHIYIN_HISTORY__ENABLED="false")) as server,
        httpx.Client(base_url=server.url, timeout=60, trust_env=False) as http,
    ):
        assert http.get("/v1/history").status_code == 404
        assert http.delete("/v1/owners/me/data").json()["history"] == 1
    assert b"t30 t30" not in on_disk(tmp_path)
