"""Workers killed by kill -9 at random moments: every job ends once and is told once."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from tools.mariadb import MariaDbClient

from tests.support.jobs import recording, settings, submit, wait
from tests.support.kafka import delete_group
from tests.support.run_servers import unique
from tests.support.server import running
from tests.support.webhook_receiver import Receiver, receiver
from tests.support.worker_processes import Worker, worker_fleet

JOBS = 60
WORKERS = 3
CHAOS_S = 120.0  # a Kafka group that loses a member every few seconds may only rebalance
STUCK_S = 180.0  # then the broker of the tests has lost its group (see `delete_group`)
TIMEOUT_S = 300.0


@pytest.fixture(params=["sqlite, local", "mariadb, kafka"])
def stores(request: pytest.FixtureRequest) -> tuple[dict[str, str], float]:
    """Settings of where records and tickets are, and seconds between kills."""
    if request.param == "sqlite, local":
        return {}, 2.0
    database: MariaDbClient = request.getfixturevalue("mariadb")
    broker: str = request.getfixturevalue("kafka")
    env = {
        "ZHIYIN_JOBS__DATABASE": database.database(unique("chaos")),
        "ZHIYIN_JOBS__QUEUE": f"kafka://{broker}/{unique('chaos')}",
    }
    # A consumer group needs 6 s to notice that a member is dead, and then gives out its part.
    return env, 8.0


def told(hook: Receiver) -> set[str]:
    """Jobs of which a message has come."""
    return set(hook.by_job())


def level(number: int) -> int:
    """A loudness that tells the recordings apart."""
    return 10 + number


@pytest.mark.timeout(600)
def test_every_job_ends_once(tmp_path: Path, stores: tuple[dict[str, str], float]) -> None:
    where, kill_every_s = stores
    # Longer than the time in which a worker dies, so that many are killed in the middle.
    env = settings(
        ZHIYIN_JOBS__WORKERS="0", ZHIYIN_JOBS__LEASE_S="3", ZHIYIN_JOBS__MAX_ATTEMPTS="50",
        ZHIYIN_JOBS__REDELIVER_S="10", SCRIPTED_DELAY_S="0.5", **where,
    )  # fmt: skip
    with (
        receiver() as hook,
        running(tmp_path, **env) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
        worker_fleet(WORKERS, tmp_path, env) as workers,
    ):
        hook.failures = 5
        workers.start(kill_every_s)
        jobs: dict[str, int] = {}
        for number in range(JOBS):
            answer = submit(
                client, recording(level(number), 2.0), webhook_url=f"{hook.url}/h", key=f"k{number}"
            )
            assert answer.status_code == 202, answer.text
            jobs[answer.json()["id"]] = level(number)
        end = time.monotonic() + TIMEOUT_S
        queue = where.get("ZHIYIN_JOBS__QUEUE", "")
        while told(hook) != set(jobs) and time.monotonic() < end:
            if time.monotonic() > end - TIMEOUT_S + CHAOS_S:
                workers.spare()
            if queue and time.monotonic() > end - TIMEOUT_S + STUCK_S:
                broker, prefix = queue.removeprefix("kafka://").split("/")
                asyncio.run(delete_group(broker, f"{prefix}-workers"))
                queue = ""
            time.sleep(0.5)
        workers.spare()
        assert workers.killed >= 3
        assert told(hook) == set(jobs), "nothing is lost"
        check(client, hook, jobs)
        repeated = submit(client, recording(level(0), 2.0), webhook_url=f"{hook.url}/h", key="k0")
        assert repeated.json()["id"] == next(iter(jobs))
        health = client.get("/health/jobs").json()
        assert (health["waiting"], health["running"]) == (0, 0)
        no_strays(tmp_path / "blobs", set(jobs))


def check(client: httpx.Client, hook: Receiver, jobs: dict[str, int]) -> None:
    """One visible end, one id, and everybody's own text."""
    for job_id, loudness in jobs.items():
        job = wait(client, job_id)
        assert (job["state"], job["run"], job["error"]) == ("done", 1, None), job
        text = client.get(job["result_url"]).json()["text"]
        assert text == " ".join([f"t{loudness}"] * 20)
        messages = hook.by_job()[job_id]
        assert {m.id for m in messages} == {job["webhook"]["event_id"]}
        assert {m.content["type"] for m in messages} == {"job.done"}
        assert len({m.body for m in messages}) == 1, "a repeated message says the same"


def no_strays(blobs: Path, jobs: set[str]) -> None:
    """At most one transcript of each attempt that was killed at the last moment is left over."""
    kept = Counter(path.name.split(".")[0] for path in blobs.glob("??/job_*"))
    assert set(kept) == jobs
    assert all(count >= 2 for count in kept.values()), "recording and transcript of each"


@pytest.mark.timeout(300)
def test_a_worker_that_is_stopped_gives_its_job_back(tmp_path: Path) -> None:
    env = settings(
        ZHIYIN_JOBS__WORKERS="0", ZHIYIN_JOBS__LEASE_S="600", SCRIPTED_DELAY_S="0.2"
    )  # fmt: skip
    with (
        running(tmp_path, **env) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        job_id = submit(client, recording(20, 2000)).json()["id"]
        first = Worker(tmp_path, env)
        first.wait_ready()
        wait(client, job_id, "running")
        assert first.end(signal.SIGTERM) == 0
        job = client.get(f"/v1/jobs/{job_id}").json()
        assert (job["state"], job["attempts"]) == ("queued", 0), "the attempt counts not"
        second = Worker(tmp_path, env)
        try:
            wait(client, job_id, "running")
        finally:
            second.end(signal.SIGKILL)


@pytest.mark.timeout(300)
def test_the_server_itself_may_be_killed(tmp_path: Path) -> None:
    """Its own worker dies with it; what was accepted is done after the next start."""
    env = settings(ZHIYIN_JOBS__LEASE_S="3", SCRIPTED_DELAY_S="0.3")
    with receiver() as hook:
        with running(tmp_path, **env) as server:
            with httpx.Client(base_url=server.url, timeout=60) as client:
                jobs = {
                    submit(client, recording(30 + i, 2.0), webhook_url=f"{hook.url}/h").json()[
                        "id"
                    ]: 30 + i
                    for i in range(12)
                }
                wait(client, next(iter(jobs)))
            server.process.kill()
            server.process.wait()
        with (
            running(tmp_path, **env) as server,
            httpx.Client(base_url=server.url, timeout=60) as client,
        ):
            for job_id in jobs:
                wait(client, job_id, timeout_s=120)
            end = time.monotonic() + 60
            while told(hook) != set(jobs) and time.monotonic() < end:
                time.sleep(0.2)
            check(client, hook, jobs)
