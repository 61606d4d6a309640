"""A server with keys: nothing on its disk can be read, and keys that are lost are said to be."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.support.command_line import zhiyin
from tests.support.jobs import submit, wait
from tests.support.sealed_server import NEW, OLD, SOUND, TRACES, WORDS, client, traces


def rotate(folder: Path, keys: str) -> subprocess.CompletedProcess[str]:
    return zhiyin("keys", "rotate", data_dir=folder, stdin=None, ZHIYIN_ENCRYPTION__KEYS=keys)


@pytest.mark.parametrize("keys", ["", OLD], ids=["plain", "encrypted"])
def test_nothing_can_be_read_on_the_disk(tmp_path: Path, keys: str) -> None:
    with client(tmp_path, keys) as http:
        job_id = submit(http, SOUND, prompt=WORDS).json()["id"]
        assert wait(http, job_id)["state"] == "done"
        assert "t30 t30" in http.get(f"/v1/jobs/{job_id}/result").json()["text"]
        found = traces(tmp_path)
    assert found == traces(tmp_path) == ([] if keys else list(TRACES))


def test_a_lost_key_is_said_and_nothing_is_lost_with_it(tmp_path: Path) -> None:
    with client(tmp_path, OLD) as http:
        done = submit(http, SOUND).json()["id"]
        wait(http, done)
    with client(tmp_path, OLD, ZHIYIN_JOBS__WORKERS="0") as http:
        waiting = submit(http, SOUND, prompt=WORDS, key="same").json()["id"]
    with client(tmp_path, NEW) as http:
        failed = wait(http, waiting)
        assert (failed["state"], failed["attempts"]) == ("failed", 0)
        assert failed["error"]["code"] == "cannot_decrypt"
        assert "'k1'" in failed["error"]["message"]
        result = http.get(f"/v1/jobs/{done}/result")
        for answer in (
            result,
            http.post(f"/v1/jobs/{waiting}/retry"),
            submit(http, SOUND, key="same"),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "cannot_decrypt")
        assert len(http.get("/v1/jobs").json()["data"]) == 2
        time.sleep(2)
        assert http.get(f"/v1/jobs/{waiting}").json() == failed, "it does not come again"
    with client(tmp_path, f"{NEW},{OLD}") as http:
        assert "t30" in http.get(f"/v1/jobs/{done}/result").json()["text"]
        assert http.post(f"/v1/jobs/{waiting}/retry").status_code == 202
        assert wait(http, waiting)["state"] == "done"
    rotated = rotate(tmp_path, f"{NEW},{OLD}")
    assert rotated.returncode == 0, rotated.stderr
    assert "of jobs are encrypted anew" in rotated.stdout
    with client(tmp_path, NEW) as http:
        for job_id in (done, waiting):
            assert "t30" in http.get(f"/v1/jobs/{job_id}/result").json()["text"]


def test_a_recording_that_is_damaged_fails_its_job(tmp_path: Path) -> None:
    with client(tmp_path, OLD, ZHIYIN_JOBS__WORKERS="0") as http:
        job_id = submit(http, SOUND).json()["id"]
    (file,) = (tmp_path / "blobs").rglob("*.audio")
    file.write_bytes(file.read_bytes()[:-1000])
    with client(tmp_path, OLD) as http:
        job = wait(http, job_id)
    assert (job["state"], job["error"]["code"]) == ("failed", "cannot_decrypt")
