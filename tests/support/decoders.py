"""The decoder processes of a server, for tests that harm them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

from zhiyin.audio.isolation.processes import DecoderProcesses, ProcessPolicy
from zhiyin.audio.isolation.sandbox import ProcessLimits

MEMORY = 512 << 20


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Return when it holds; fails when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it never came true within {seconds} s"
        time.sleep(0.005)


def fork_server(pid: int | None = None) -> psutil.Process | None:
    """The fork server of a process, this one by default."""
    children = psutil.Process(pid or os.getpid()).children()
    for child in children:
        with suppress(psutil.Error):
            if any("fork_server" in word for word in child.cmdline()):
                return child
    return None


def decoders(pid: int | None = None) -> list[psutil.Process]:
    """The decoder processes of a process that have not ended, the oldest first."""
    server = fork_server(pid)
    if server is None:
        return []
    with suppress(psutil.Error):
        alive = [c for c in server.children() if c.status() != psutil.STATUS_ZOMBIE]
        return sorted(alive, key=lambda child: child.pid)
    return []


def wait_for_decoder(pid: int | None = None) -> psutil.Process:
    """The oldest decoder process, when there is one that has begun: it waits for what is next."""
    found: list[psutil.Process] = []

    def begun() -> bool:
        found[:] = decoders(pid)[:1]
        with suppress(psutil.Error):
            return bool(found) and found[0].status() == psutil.STATUS_SLEEPING
        return False

    wait_for(begun)
    return found[0]


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended; who inherited it may not have noticed yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def decoder_processes(
    max_open: int = 20, stall_s: float = 60.0, memory_bytes: int = MEMORY
) -> Iterator[DecoderProcesses]:
    """Decoder processes of this process, ended at the end."""
    limits = ProcessLimits(memory_bytes, cpu_s=60)
    made = DecoderProcesses(ProcessPolicy(max_open, stall_s, limits))
    try:
        yield made
    finally:
        made.close()
