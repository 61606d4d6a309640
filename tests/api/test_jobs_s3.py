"""Jobs whose recordings and transcripts lie in an S3 bucket, over real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.jobs import submit, wait
from tests.support.s3 import S3Server
from tests.support.sealed_server import OLD, SOUND, WORDS, client, traces


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[S3Server]:
    server = S3Server(tmp_path / "s3")
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("keys", ["", OLD], ids=["plain", "encrypted"])
def test_a_job_through_a_bucket(bucket: S3Server, tmp_path: Path, keys: str) -> None:
    with client(tmp_path / "data", keys, **bucket.settings) as http:
        job_id = submit(http, SOUND, prompt=WORDS).json()["id"]
        assert wait(http, job_id)["state"] == "done"
        assert "t30 t30" in http.get(f"/v1/jobs/{job_id}/result").json()["text"]
        assert not (tmp_path / "data" / "blobs").exists()
        found = traces(bucket.files)
        assert bool(found) != bool(keys)
        assert http.delete("/v1/owners/me/data").status_code == 200
    assert not [file for file in bucket.files.rglob("*") if file.is_file()]


def test_a_bucket_that_goes_away_and_comes_back_loses_nothing(
    bucket: S3Server, tmp_path: Path
) -> None:
    more = bucket.settings | {"ZHIYIN_JOBS__BLOBS_TIMEOUT_S": "1"}
    with client(tmp_path, "", ZHIYIN_JOBS__WORKERS="0", **more) as http:
        waiting = submit(http, SOUND).json()["id"]
    bucket.stop()
    with client(tmp_path, "", **more) as http:
        refused = submit(http, SOUND)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert wait(http, waiting, "queued", "running")["state"]
        bucket.start()
        assert wait(http, waiting)["state"] == "done"
        assert wait(http, submit(http, SOUND).json()["id"])["state"] == "done"
