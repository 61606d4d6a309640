"""What tests of jobs share: settings of a scripted server, recordings, and how to wait."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tests.support import media
from zhiyin.engines.scripted import SLOT

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLASwMfKQ9r8GKYqr"
PLUGINS = Path(__file__).parents[1] / "plugins"
ENDED = ("done", "failed", "cancelled")


def settings(**more: str) -> dict[str, str]:
    """Environment of a process with the scripted engine; jobs may reach loopback."""
    paths = [str(PLUGINS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "ZHIYIN_MODELS__DEFAULT": "script",
        "ZHIYIN_CACHE__URL": "off",  # the same recordings are sent again and again
        "ZHIYIN_JOBS__WEBHOOK_SECRET": SECRET,
        "ZHIYIN_JOBS__NETWORKS": '["127.0.0.0/8", "::1/128"]',
    } | more


def recording(level: int, seconds: float = 1.0) -> bytes:
    """A WAV in which the scripted engine hears `t<level>` in every tenth of a second."""
    return media.wav(np.full(int(seconds * 10) * SLOT, level / 100, np.float32))


def submit(client: httpx.Client, data: bytes, **fields: str) -> httpx.Response:
    """POST /v1/jobs, with silence and noise left in."""
    headers = {"Idempotency-Key": fields.pop("key")} if "key" in fields else {}
    form = {"vad": "false", "language": "en"} | fields
    return client.post("/v1/jobs", files={"file": ("a.wav", data)}, data=form, headers=headers)


def wait(client: httpx.Client, job_id: str, *states: str, timeout_s: float = 60) -> dict[str, Any]:
    """The job once it is in one of the states, or has ended."""
    end = time.monotonic() + timeout_s
    while True:
        job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").raise_for_status().json()
        if job["state"] in (states or ENDED):
            return job
        assert job["state"] not in ENDED, f"it ended as {job['state']}: {job['error']}"
        assert time.monotonic() < end, f"still {job['state']}"
        time.sleep(0.05)
