"""`zhiyin worker` processes that are killed at random moments and started again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import environment


class Worker:
    """One process."""

    def __init__(self, data_dir: Path, env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "zhiyin", "worker", "--data-dir", str(data_dir)]
        self.process = subprocess.Popen(
            command, env=environment(**env), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
        )  # fmt: skip

    def wait_ready(self) -> None:
        """Until it says that it works."""
        assert self.process.stdout is not None
        assert b"works on" in self.process.stdout.readline()

    def end(self, how: signal.Signals) -> int:
        """Send the signal; the exit code."""
        self.process.send_signal(how)
        code = self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


class WorkerFleet:
    """Some workers; one at a time is killed every `every_s` seconds, and replaced."""

    def __init__(self, count: int, data_dir: Path, env: dict[str, str], seed: int = 1) -> None:
        self._draw = random.Random(seed)
        self._data_dir, self._env = data_dir, env
        self.workers = [self._make() for _ in range(count)]
        self.killed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._every_s = 2.0

    def _make(self) -> Worker:
        return Worker(self._data_dir, self._env)

    def start(self, every_s: float) -> None:
        """Begin to kill."""
        self._every_s = every_s
        self._thread.start()

    def spare(self) -> None:
        """Kill no more."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s * self._draw.uniform(0.5, 1.5)):
            i = self._draw.randrange(len(self.workers))
            self.workers[i].end(signal.SIGKILL)
            self.killed += 1
            self.workers[i] = self._make()


@contextmanager
def worker_fleet(count: int, data_dir: Path, env: dict[str, str]) -> Iterator[WorkerFleet]:
    """Started workers, ended at the end."""
    made = WorkerFleet(count, data_dir, env)
    try:
        for worker in made.workers:
            worker.wait_ready()
        yield made
    finally:
        made.spare()
        for worker in made.workers:
            worker.end(signal.SIGKILL)
