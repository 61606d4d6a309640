"""A server whose engine hangs for good ends, so that its supervisor starts a clean one."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support import jobs
from tests.support.server import Server
from zhiyin.ops.ending import EXIT_CODE


def test_a_server_with_stuck_engines_ends(tmp_path: Path) -> None:
    server = Server(tmp_path, jobs.settings(ZHIYIN_SCHEDULER__STUCK_S="1"))
    try:
        server.wait_ready()
        form = {"vad": "false", "prompt": "hang", "language": "en"}
        for _ in range(4):
            answer = httpx.post(
                f"{server.url}/recognize", data=form, files={"file": jobs.recording(1)}, timeout=60
            )
            assert answer.status_code == 500, answer.text
            assert answer.json()["error"]["code"] == "engine_failed"
        assert server.process.wait(60) == EXIT_CODE
        assert any("stuck for good" in line for line in server.logs)
    finally:
        server.stop()
