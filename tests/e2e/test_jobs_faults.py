"""Servers that are away at the start and in the middle: jobs wait, recognition goes on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tools.mariadb import MariaDb

from tests.support.jobs import recording, settings, submit, wait
from tests.support.kafka import Broker
from tests.support.server import running


def until(what: Callable[[], bool], timeout_s: float = 120.0) -> None:
    """Wait for it."""
    end = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < end
        time.sleep(0.2)


def recognizes(client: httpx.Client) -> bool:
    """/recognize needs neither database nor queue."""
    answer = client.post(
        "/recognize", files={"file": ("a.wav", recording(50))},
        data={"vad": "false", "language": "en"},
    )  # fmt: skip
    return answer.status_code == 200 and "t50" in answer.json()["text"]


def health(client: httpx.Client) -> int:
    return client.get("/health/jobs").status_code


@pytest.mark.timeout(600)
def test_the_database_is_away_at_the_start_and_in_the_middle(tmp_path: Path) -> None:
    database = MariaDb(tmp_path / "mariadb")
    database.start()
    url = database.database("faults")
    database.stop()
    env = settings(ZHIYIN_JOBS__DATABASE=url, ZHIYIN_JOBS__LEASE_S="5", SCRIPTED_DELAY_S="0.1")
    try:
        with (
            running(tmp_path / "data", **env) as server,
            httpx.Client(base_url=server.url, timeout=60) as client,
        ):
            assert health(client) == 503
            refused = submit(client, recording(51))
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
            assert recognizes(client)
            assert client.get("/health/ready").status_code == 200
            database.start()
            until(lambda: health(client) == 200)
            job = submit(client, recording(51, 200)).json()["id"]
            wait(client, job, "running")
            database.stop()
            assert health(client) == 503
            assert recognizes(client)
            assert client.get(f"/v1/jobs/{job}").status_code == 503
            database.start()
            until(lambda: health(client) == 200)
            done = wait(client, job, timeout_s=120)
            assert done["state"] == "done", done
            assert "Traceback" not in "".join(server.logs)
    finally:
        database.stop()


@pytest.mark.timeout(600)
def test_the_broker_is_away_at_the_start_and_in_the_middle(tmp_path: Path) -> None:
    broker = Broker()
    env = settings(
        ZHIYIN_JOBS__QUEUE=f"kafka://{broker.address}/faults", ZHIYIN_JOBS__REDELIVER_S="5"
    )  # fmt: skip
    try:
        with (
            running(tmp_path, **env) as server,
            httpx.Client(base_url=server.url, timeout=60) as client,
        ):
            assert health(client) == 503
            early = submit(client, recording(52))
            assert early.status_code == 202, "it waits in its record"
            assert recognizes(client)
            broker.start()
            assert wait(client, early.json()["id"], timeout_s=120)["state"] == "done"
            broker.stop(signal.SIGKILL)
            during = submit(client, recording(53))
            assert during.status_code == 202
            broker.start()
            assert wait(client, during.json()["id"], timeout_s=120)["state"] == "done"
            until(lambda: health(client) == 200)
            assert "Traceback" not in "".join(server.logs)
    finally:
        broker.stop(signal.SIGKILL)


@pytest.mark.timeout(300)
def test_a_full_disk_refuses_the_upload_and_nothing_else(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the end of the disk."""
    import resource

    # The database and the log stay below it, the recording does not.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400 << 10, before[1]))
    try:
        server_at = running(tmp_path, **settings())
        server = server_at.__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    try:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            full = submit(client, recording(54, 20))
            assert (full.status_code, full.json()["error"]["code"]) == (503, "unavailable")
            assert recognizes(client)
            small = submit(client, recording(55))
            assert wait(client, small.json()["id"])["state"] == "done"
            kept = [p.name for p in (tmp_path / "blobs").glob("??/*")]
            assert all(name.startswith(small.json()["id"]) for name in kept), "nothing half written"
    finally:
        server_at.__exit__(None, None, None)


@pytest.mark.timeout(300)
def test_what_is_kept_goes_at_its_time(tmp_path: Path) -> None:
    env = settings(ZHIYIN_JOBS__AUDIO_TTL_S="3", ZHIYIN_JOBS__KEEP_S="6")
    with (
        running(tmp_path, **env) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        job = submit(client, recording(56)).json()["id"]
        assert wait(client, job)["state"] == "done"

        def kept() -> list[str]:
            return [p.name for p in (tmp_path / "blobs").glob("??/*")]

        until(lambda: not any(name.endswith(".audio") for name in kept()))
        assert client.get(f"/v1/jobs/{job}/result").status_code == 200
        until(lambda: client.get(f"/v1/jobs/{job}").status_code == 404)
        assert kept() == []
        counts = client.get("/health/jobs").json()["chores"]
        assert (counts["audio_deleted"], counts["jobs_forgotten"]) == (1, 1)
