"""Live servers as processes on loopback, zhiyin's and its peers', with the same weights.

The peers need torch and live in an environment of their own; its `python` is `--peer-python`:

    python -m venv PEERS && PEERS/bin/pip install torch==2.13.0
    PEERS/bin/pip install --no-deps whisperlivekit==0.2.26 whisper-live==0.10.0
    PEERS/bin/pip install fastapi uvicorn websockets websocket-client python-multipart scipy
    PEERS/bin/pip install faster-whisper huggingface-hub librosa soundfile tqdm tiktoken kaldialign
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.servers import START_S, free_port, stop
from bench.setup import Setup

_LIVE = """
from whisper_live.server import TranscriptionServer
TranscriptionServer().run("127.0.0.1", {port}, backend="faster_whisper",
    faster_whisper_custom_model_path={folder!r}, single_model=True, max_clients=64)
"""


@contextmanager
def live_server(name: str, setup: Setup, language: str, python: Path) -> Iterator[str]:
    """A started server; gives ws://host:port. Raises RuntimeError with its last words."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="zhiyin-bench-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                _command(name, setup, language, python, port),
                env=os.environ | _environment(setup),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
            )  # fmt: skip
        try:
            _wait(process, port, log)
            yield f"ws://127.0.0.1:{port}"
        finally:
            stop(process)


def _command(name: str, setup: Setup, language: str, python: Path, port: int) -> Sequence[str]:
    if name == "zhiyin":
        return (sys.executable, "-m", "zhiyin", "serve", "--port", str(port))
    if name == "whisperlive":
        return (str(python), "-c", _LIVE.format(port=port, folder=str(setup.folder)))
    return (
        str(python.parent / "wlk"), "serve", "--host", "127.0.0.1", "--port", str(port),
        "--model_dir", str(setup.folder), "--backend", "faster-whisper",
        "--backend-policy", "localagreement", "--lan", language, "--pcm-input",
    )  # fmt: skip


def _environment(setup: Setup) -> Mapping[str, str]:
    return {
        "ZHIYIN_MODELS__DEFAULT": setup.model,
        "ZHIYIN_ENGINE__DEVICE": setup.device,
        "ZHIYIN_ENGINE__THREADS": str(setup.threads),
        "ZHIYIN_ENGINE__COMPUTE_TYPE": setup.compute_type,
        "OMP_NUM_THREADS": str(setup.threads),
        "HF_HUB_OFFLINE": "1",
    }


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")
