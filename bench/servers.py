"""Server processes on a free loopback port, stopped whatever happens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.setup import Setup

START_S = 120.0
_STOP_S = 30.0
_HISTORY = "ZHIYIN_HISTORY__URL"  # on, as by default, but not in the user's own data folder


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers: `url` takes the recording as a form with `file` and `language`."""

    name: str
    url: str
    pid: int


@contextmanager
def server(name: str, setup: Setup, more: Mapping[str, str] | None = None) -> Iterator[Server]:
    """One of `SERVERS`, started and ready, with `more` in its environment.

    Raises KeyError or RuntimeError with its last words.
    """
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    kind = SERVERS[name]
    with tempfile.TemporaryDirectory(prefix="zhiyin-bench-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            memory = os.environ.get(_HISTORY, f"sqlite+aiosqlite:///{folder}/history.db")
            environment = {**kind.environment(setup), _HISTORY: memory, **(more or {})}
            process = _start(kind.command(port), environment, output.fileno())
        try:
            _wait(process, base + kind.ready, log)
            yield Server(name, base + kind.path, process.pid)
        finally:
            stop(process)


class _Zhiyin:
    path = "/recognize"
    ready = "/health/ready"

    @staticmethod
    def command(port: int) -> Sequence[str]:
        return ("zhiyin", "serve", "--port", str(port))

    @staticmethod
    def environment(setup: Setup) -> dict[str, str]:
        return {
            "ZHIYIN_MODELS__DEFAULT": setup.model,
            "ZHIYIN_ENGINE__DEVICE": setup.device,
            "ZHIYIN_ENGINE__THREADS": str(setup.threads),
            "ZHIYIN_ENGINE__COMPUTE_TYPE": setup.compute_type,
            "ZHIYIN_CACHE__URL": "off",  # benches send a recording again and again
        }


class _Plain:
    path = "/transcribe"
    ready = "/openapi.json"  # the model is loaded before anything answers

    @staticmethod
    def command(port: int) -> Sequence[str]:
        return ("uvicorn", "bench.plain_server:app", "--host", "127.0.0.1", "--port", str(port))

    @staticmethod
    def environment(setup: Setup) -> dict[str, str]:
        return {
            "PLAIN_MODEL": str(setup.folder),
            "PLAIN_DEVICE": setup.device,
            "PLAIN_THREADS": str(setup.threads),
            "PLAIN_COMPUTE_TYPE": setup.compute_type,
        }


SERVERS: Mapping[str, type[_Zhiyin | _Plain]] = {"zhiyin": _Zhiyin, "plain": _Plain}


def free_port() -> int:
    """A free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(
    command: Sequence[str], environment: Mapping[str, str], output: int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process, by force when it does not go."""
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
