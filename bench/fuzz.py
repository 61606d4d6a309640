"""`python -m bench.fuzz`: broken recordings to a real server, by every way that takes sound.

The server has the scripted engine, so that the time goes to what reads bytes. It must not die, grow
without end, stop answering, or answer with a fault of its own. Failing inputs are kept.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json as json_module
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import psutil
import typer
from rich.console import Console
from tests.support.jobs import settings
from tests.support.server import Server
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, WebSocketException
from websockets.sync.client import connect

from bench import options, provenance
from bench.mutations import Case, case

RESULT = provenance.RESULTS / "fuzz.json"
_ROUTES = ("/recognize", "/recognize", "/v1/audio/transcriptions", "/v1/jobs")
_LATE_S = 0.2
_TIMEOUT_S = 20
_WARM_CASES = 200
_MAX_GROWTH_MB = 150


@dataclass(slots=True)
class Found:
    """What was seen; everything from `server_errors` to `failing` should be nothing.

    `deadlines` are answers of 504, which a server error is not. `failing` names the cases.
    """

    cases: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    closes: dict[str, int] = field(default_factory=dict)
    deadlines: int = 0
    server_errors: int = 0
    broken_connections: int = 0
    deaths: int = 0
    late_health: int = 0
    failing: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Health:
    """Answers of /health/live, asked every 50 ms, and resident memory in MB."""

    answers: int = 0
    late: int = 0
    longest_s: float = 0.0
    start_mb: float = 0.0
    end_mb: float = 0.0
    most_mb: float = 0.0
    most_with_decoders_mb: float = 0.0


def main(
    *,
    minutes: Annotated[float, typer.Option(help="How long.", min=0.1)] = 5.0,
    seed: Annotated[int, typer.Option(help="Of the cases; 0 takes a new one.")] = 0,
    only: Annotated[int, typer.Option(help="Send this case alone.", min=-1)] = -1,
    clients: Annotated[int, typer.Option(help="At once.", min=1)] = 4,
    keep: Annotated[Path, typer.Option(help="Folder for failing inputs.")] = Path("fuzz-failures"),
    json: options.Json = RESULT,
) -> None:
    """Send broken recordings for so many minutes."""
    seed = seed or int(time.time())
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    console = Console(stderr=True)
    console.print(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="zhiyin-bench-") as folder, _server(folder) as server:
        run = _Run(server, seed, keep)
        numbers = iter([only]) if only >= 0 else itertools.count()
        run.all(numbers, clients, time.monotonic() + 60 * minutes)
    health, found = run.health, run.found
    console.print(found, health)
    grown = health.end_mb - health.start_mb > _MAX_GROWTH_MB
    content = {
        "seed": seed,
        "good": not (found.failing or found.deaths or found.late_health or grown),
        "found": asdict(found),
        "health": asdict(health),
    }
    provenance.write(json, provenance.head(given) | content)
    if not content["good"]:
        raise typer.Exit(1)


@contextlib.contextmanager
def _server(folder: str) -> Iterator[Server]:
    environment = settings(
        ZHIYIN_SERVER__REQUEST_TIMEOUT_S=str(_TIMEOUT_S), ZHIYIN_JOBS__WORKERS="1",
        ZHIYIN_JOBS__TIMEOUT_S=str(_TIMEOUT_S), ZHIYIN_JOBS__MAX_WAITING="10000",
        ZHIYIN_LOG__LEVEL="warning", ZHIYIN_HISTORY__ENABLED="false",
    )  # fmt: skip
    server = Server(Path(folder), {"ZHIYIN_LOG__LEVEL": "warning"} | environment)
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


class _Run:
    """One run: clients that send, and one thread that looks after the server."""

    def __init__(self, server: Server, seed: int, keep: Path) -> None:
        self._server = server
        self._seed = seed
        self._keep = keep
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.found = Found()
        self.health = Health()

    def all(self, numbers: Iterator[int], clients: int, end: float) -> None:
        """Send until the time is over, or the server has died."""

        def work() -> None:
            while time.monotonic() < end and self._server.process.poll() is None:
                with self._lock:
                    number = next(numbers, None)
                if number is None:
                    return
                self._one(case(self._seed, number))

        watching = threading.Thread(target=self._watch)
        watching.start()
        threads = [threading.Thread(target=work) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._over.set()
        watching.join()
        if self._server.process.poll() is not None:
            self.found.deaths += 1
        else:
            time.sleep(20)  # its memory is given back every 15 s
            self.health.end_mb = psutil.Process(self._server.process.pid).memory_info().rss / 1e6

    def _one(self, one: Case) -> None:
        try:
            what, fault = self._speak(one) if one.live else self._post(one)
        except (httpx.HTTPError, OSError, WebSocketException) as error:
            what, fault = type(error).__name__, True
            with self._lock:
                self.found.broken_connections += 1
        with self._lock:
            self.found.cases += 1
            counts = self.found.closes if one.live else self.found.answers
            counts[what] = counts.get(what, 0) + 1
            if fault:
                self.found.failing.append(f"{one.number}: {what}: {one.live or 'file'}: {one.name}")
                self._keep.mkdir(parents=True, exist_ok=True)
                (self._keep / f"{self._seed}-{one.number}").write_bytes(one.data)

    def _post(self, one: Case) -> tuple[str, bool]:
        route = _ROUTES[one.number % len(_ROUTES)]
        form = {"model": "script"} | ({} if one.number % 3 else {"language": "en"})
        files = {"file": ("a.bin", one.data)}
        with httpx.Client(base_url=self._server.url, timeout=_TIMEOUT_S + 60) as client:
            answer = client.post(route, files=files, data=form)
        status = answer.status_code
        error = answer.json().get("error") if status >= 400 else None
        with self._lock:
            self.found.deadlines += status == 504
            self.found.server_errors += status >= 500 and status != 504
        return f"{status} {error['code'] if error else ''}".strip(), status >= 500 and status != 504

    def _speak(self, one: Case) -> tuple[str, bool]:
        address = self._server.url.replace("http:", "ws:") + "/v1/stream"
        start = {"type": "start", "encoding": one.live, "sample_rate": 16_000, "language": "en"}
        size = 1 + one.number * 7919 % 20_000
        with connect(address, max_size=None, close_timeout=30) as socket:
            reading = threading.Thread(target=_drain, args=(socket,))
            reading.start()
            with contextlib.suppress(ConnectionClosed):
                socket.send(json_module.dumps(start))
                for at in range(0, len(one.data), size):
                    socket.send(one.data[at : at + size])
                socket.send('{"type":"eof"}')
            reading.join(_TIMEOUT_S + 100)
            hung = reading.is_alive()
        code = socket.close_code
        if hung:
            return "no end", True
        with self._lock:
            self.found.server_errors += code == 1011
            self.found.broken_connections += code == 1006
        return f"{code} {socket.close_reason or ''}".strip(), code in (None, 1006, 1011)

    def _watch(self) -> None:
        """Ask whether the server is alive, and how large it is."""
        process = psutil.Process(self._server.process.pid)
        address = urlsplit(self._server.url)
        while not self._over.wait(0.05) and self._server.process.poll() is None:
            begun = time.perf_counter()
            with contextlib.suppress(OSError, http.client.HTTPException):
                asked = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
                asked.request("GET", "/health/live")
                asked.getresponse().read()
                asked.close()
            took = time.perf_counter() - begun
            health = self.health
            health.answers += 1
            health.late += took > _LATE_S
            health.longest_s = max(health.longest_s, took)
            self.found.late_health = health.late
            if health.answers % 10 == 0:
                self._weigh(process)

    def _weigh(self, process: psutil.Process) -> None:
        health = self.health
        with contextlib.suppress(psutil.Error):
            own = process.memory_info().rss / 1e6
            family = own + sum(c.memory_info().rss for c in process.children(recursive=True)) / 1e6
            health.most_mb = max(health.most_mb, own)
            health.most_with_decoders_mb = max(health.most_with_decoders_mb, family)
            if self.found.cases <= _WARM_CASES or not health.start_mb:
                health.start_mb = own


def _drain(socket: Any) -> None:
    """Read to the end; what a connection's end was is asked of it later."""
    with contextlib.suppress(ConnectionClosedError, ConnectionClosed):
        for _ in socket:
            pass


if __name__ == "__main__":
    typer.run(main)
