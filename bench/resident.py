"""Resident memory of processes, in MB (10^6 bytes)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import psutil


def rss_mb(pid: int) -> float:
    """Resident memory of a process and its children now."""
    return sum(process.memory_info().rss for process in _tree(pid)) / 1e6


def peak_mb(pid: int | None = None) -> float:
    """The most a process (None: this one) and its children have held; Linux only.

    The peaks of several processes are added though they need not fall together.
    """
    return sum(_peak_kib(process.pid) for process in _tree(pid or os.getpid())) * 1024 / 1e6


def _tree(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None, "a process without memory"
    return int(found.group(1))
