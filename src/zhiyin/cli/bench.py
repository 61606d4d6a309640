"""`zhiyin bench`: run the benchmarks of a source checkout."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from zhiyin.domain.errors import InvalidRequest

_FOLDER = Path("bench")


def run(name: str, arguments: Sequence[str]) -> int:
    """Run `python -m bench.NAME` in this folder; its exit code. Raises InvalidRequest."""
    known = names()
    if not known:
        raise InvalidRequest(
            "The benches come with the source code, not with the package: run this in a checkout."
        )
    if name not in known:
        raise InvalidRequest(f"No bench is called {name!r}. There are: {', '.join(known)}.")
    command = [sys.executable, "-m", f"bench.{name}", *arguments]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - typed by the user


def names() -> list[str]:
    """The benches of this folder, in order."""
    return sorted(
        path.stem for path in _FOLDER.glob("*.py") if "typer.run(main)" in path.read_text("utf-8")
    )
