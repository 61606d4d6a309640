"""The command line as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.processes import environment


def zhiyin(
    *arguments: str, data_dir: Path | None = None, stdin: bytes | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    if data_dir is not None:
        env["ZHIYIN_DATA_DIR"] = str(data_dir)
    done = subprocess.run(
        [sys.executable, "-m", "zhiyin", *arguments],
        capture_output=True, env=environment(COLUMNS="200") | env, input=stdin, timeout=120,
        check=False,
    )  # fmt: skip
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )
