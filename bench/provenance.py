"""Where figures come from: the command, the settings, the machine and the versions."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path("bench/results")

_PACKAGES = (
    "zhiyin",
    "faster-whisper",
    "ctranslate2",
    "onnxruntime",
    "av",
    "numpy",
    "fastapi",
    "uvicorn",
    "openai-whisper",
    "torch",
    "pywhispercpp",
    "rapidfuzz",
    "opencc",
    "whisper-normalizer",
    "sqlalchemy",
    "asyncmy",
)


def head(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The beginning of every result; `settings` are the options of the bench."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(),
        "settings": {k: str(v) if isinstance(v, Path) else v for k, v in settings.items()},
        "load_average_after": load_average(),
        "host": _host(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that a person can read and compare."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _command() -> str:
    spec = sys.modules["__main__"].__spec__
    return shlex.join(["python", "-m", spec.name if spec else sys.argv[0], *sys.argv[1:]])


def load_average() -> float | None:
    """Runnable processes on this machine, a mean over the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _host() -> dict[str, Any]:
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
