"""Server processes on loopback: a free port, an environment of their own, start and stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time

_START_S = 60.0


def environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of zhiyin, and `more`.

    Python may keep what it compiles: a run starts some two hundred processes, and each would
    otherwise compile the package anew (0.35 s).
    """
    dropped = ("ZHIYIN_", "PYTHONDONTWRITEBYTECODE")
    return {k: v for k, v in os.environ.items() if not k.startswith(dropped)} | more


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Daemon:
    """A server process on a port, which can be killed and started again."""

    def __init__(self, command: list[str], port: int, env: dict[str, str] | None = None) -> None:
        self.command = command
        self.port = port
        self.env = env
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when the port answers."""
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=self.env,
        )  # fmt: skip
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            assert self.process.poll() is None, f"{self.command[0]} ended at once"
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"{self.command[0]} does not answer")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, kindly or not."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(_START_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
