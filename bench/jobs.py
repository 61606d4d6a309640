"""`python -m bench.jobs`: jobs while workers are killed and everything under them is restarted.

The server, three workers and a receiver of webhooks run on loopback, with the scripted engine,
whose text is a function of the sound. Every few seconds a worker is killed by
kill -9. At a third of the jobs the database is killed and started again, at two thirds the broker;
with SQLite and its queue, `zhiyin serve` in the middle. Then it is counted what clients saw.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from tests.support.jobs import ENDED, recording, settings, submit
from tests.support.kafka import running_broker
from tests.support.processes import Daemon, environment, free_port
from tests.support.webhook_receiver import Receiver, receiver
from tests.support.worker_processes import WorkerFleet, worker_fleet
from tools.mariadb import MariaDb

from bench import options, provenance

RESULT = provenance.RESULTS / "jobs.json"
_LEVELS = 80  # loudnesses that the scripted engine distinguishes


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to the jobs."""

    jobs: int
    workers: int
    kill_every_s: float
    delay_s: float
    audio_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Counts:
    """What the clients received; everything from `lost` to `without_message` should be 0.

    `repeated_messages` came again with the id that they had: receivers drop them.
    """

    stores: str
    jobs: int
    states: Mapping[str, int]
    lost: int
    wrong_text: int
    with_several_ids: int
    without_message: int
    repeated_messages: int
    kills: int
    restarted: tuple[str, ...]
    attempts: int
    seconds: float


@dataclass(slots=True)
class Site:
    """Everything that runs: `restarts` are done once each, by the share of jobs submitted."""

    server: Daemon
    client: httpx.Client
    hook: Receiver
    fleet: WorkerFleet
    restarts: list[tuple[float, str, Callable[[], None]]]


def main(
    *,
    jobs: Annotated[int, typer.Option(help="How many.", min=1)] = 500,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 3,
    kill_every: Annotated[float, typer.Option(help="Seconds between two kills.")] = 4.0,
    delay: Annotated[float, typer.Option(help="Seconds that the engine takes for a job.")] = 0.3,
    audio_seconds: Annotated[float, typer.Option(help="Length of a recording.")] = 2.0,
    timeout: Annotated[float, typer.Option(help="Seconds until what is missing is lost.")] = 900,
    stores: Annotated[str, typer.Option(help="Comma list of embedded, distributed.")] = "all",
    json: options.Json = RESULT,
) -> None:
    """Count what is lost and what comes twice."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    plan = Plan(jobs, workers, kill_every, delay, audio_seconds, timeout)
    counts = [_count(name, plan) for name in options.known(stores, _STORES, "--stores")]
    Console(stderr=True).print(counts)
    provenance.write(json, provenance.head(given) | {"runs": [asdict(c) for c in counts]})
    if any(c.lost or c.wrong_text or c.with_several_ids or c.without_message for c in counts):
        sys.exit(1)


_STORES = ("embedded", "distributed")


def _count(stores: str, plan: Plan) -> Counts:
    with tempfile.TemporaryDirectory(prefix="zhiyin-bench-") as folder, ExitStack() as stack:
        site = stack.enter_context(_site(stores, plan, Path(folder)))
        begun = time.monotonic()
        site.fleet.start(plan.kill_every_s)
        restarted: list[str] = []
        levels: dict[str, int] = {}
        for number in range(plan.jobs):
            while site.restarts and number >= site.restarts[0][0] * plan.jobs:
                _, name, restart = site.restarts.pop(0)
                restart()
                restarted.append(name)
            level = 10 + number % _LEVELS
            levels[_submitted(site, number, level, plan.audio_s)] = level
        _wait(site, set(levels), begun + plan.timeout_s)
        site.fleet.spare()
        elapsed = time.monotonic() - begun
        return _seen(stores, site, levels, restarted, elapsed)


@contextmanager
def _site(stores: str, plan: Plan, folder: Path) -> Iterator[Site]:
    more = {
        "ZHIYIN_JOBS__WORKERS": "0",
        "ZHIYIN_JOBS__LEASE_S": "5",
        "ZHIYIN_JOBS__MAX_ATTEMPTS": "100",
        "ZHIYIN_JOBS__REDELIVER_S": "10",
        "ZHIYIN_JOBS__MAX_WAITING": str(plan.jobs),
        "SCRIPTED_DELAY_S": str(plan.delay_s),
    }
    with ExitStack() as stack:
        kills: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {}
        if stores == "distributed":
            database = stack.enter_context(MariaDb(folder / "mariadb"))
            kafka = stack.enter_context(running_broker())
            more["ZHIYIN_JOBS__DATABASE"] = database.database("bench")
            more["ZHIYIN_JOBS__QUEUE"] = f"kafka://{kafka.address}"
            kills = {
                "database": (database.stop, database.start),
                "broker": (lambda: kafka.stop(signal.SIGKILL), kafka.start),
            }
        env = settings(**more)
        server = _serve(folder, env)
        stack.callback(server.stop)
        server.start()
        url = f"http://127.0.0.1:{server.port}"
        client = stack.enter_context(httpx.Client(base_url=url, timeout=60, trust_env=False))
        hook = stack.enter_context(receiver())
        busy = stack.enter_context(worker_fleet(plan.workers, folder, env))
        kill_server = (lambda: server.stop(signal.SIGKILL), server.start)
        names = list(kills.items()) or [("zhiyin serve", kill_server)]
        restarts = [
            ((i + 1) / (len(names) + 1), name, _restart(*steps))
            for i, (name, steps) in enumerate(names)
        ]
        yield Site(server, client, hook, busy, restarts)


def _serve(folder: Path, env: dict[str, str]) -> Daemon:
    port = free_port()
    command = [sys.executable, "-m", "zhiyin", "serve", "--port", str(port)]
    given = environment(**env)
    return Daemon([*command, "--data-dir", str(folder)], port, given)


def _restart(kill: Callable[[], None], start: Callable[[], None]) -> Callable[[], None]:
    def restart() -> None:
        kill()
        time.sleep(1.0)
        start()

    return restart


def _submitted(site: Site, number: int, level: int, audio_s: float) -> str:
    """The job's id; a client repeats what was not answered, with the same key."""
    hook = f"{site.hook.url}/h"
    end = time.monotonic() + 120
    while True:
        try:
            answer = submit(
                site.client, recording(level, audio_s), webhook_url=hook, key=f"job-{number}"
            )
            if answer.status_code == 202:
                return str(answer.json()["id"])
            problem = answer.text
        except httpx.TransportError as error:
            problem = str(error)
        if time.monotonic() > end:
            raise RuntimeError(f"the server does not take jobs: {problem}")
        time.sleep(0.5)


def _wait(site: Site, jobs: set[str], end: float) -> None:
    while time.monotonic() < end and set(site.hook.by_job()) != jobs:
        time.sleep(0.5)


def _seen(
    stores: str, site: Site, levels: Mapping[str, int], restarted: list[str], seconds: float
) -> Counts:
    messages = site.hook.by_job()
    ids = {job: {m.id for m in messages[job]} for job in messages}
    found = {job: _job(site.client, job) for job in levels}
    states = dict(Counter(str(job["state"]) for job in found.values()))
    return Counts(
        stores=stores,
        jobs=len(levels),
        states=states,
        lost=sum(job["state"] not in ENDED for job in found.values()),
        wrong_text=sum(not _right(site.client, found[job], levels[job]) for job in levels),
        with_several_ids=sum(len(several) > 1 for several in ids.values()),
        without_message=len(set(levels) - set(messages)),
        repeated_messages=sum(len(messages[j]) - len(ids[j]) for j in ids),
        kills=site.fleet.killed,
        restarted=tuple(restarted),
        attempts=sum(int(job["attempts"]) for job in found.values()),
        seconds=round(seconds, 1),
    )


def _job(client: httpx.Client, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").raise_for_status().json()
    return job


def _right(client: httpx.Client, job: Mapping[str, Any], level: int) -> bool:
    if job["state"] != "done":
        return False
    text = client.get(job["result_url"]).raise_for_status().json()["text"]
    return set(text.split()) == {f"t{level}"}


if __name__ == "__main__":
    typer.run(main)
