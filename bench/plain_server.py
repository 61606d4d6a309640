"""The server people write by hand: FastAPI around faster-whisper's default call.

`uvicorn bench.plain_server:app`. `transcribe` is no coroutine, so FastAPI runs it on its pool of
threads; the model itself takes one call at a time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Form, UploadFile
from faster_whisper import WhisperModel

app = FastAPI()
model = WhisperModel(
    os.environ["PLAIN_MODEL"],
    device=os.environ.get("PLAIN_DEVICE", "cpu"),
    compute_type=os.environ.get("PLAIN_COMPUTE_TYPE", "int8"),
    cpu_threads=int(os.environ.get("PLAIN_THREADS", "0")),
)


@app.post("/transcribe")
def transcribe(file: UploadFile, language: Annotated[str | None, Form()] = None) -> dict[str, str]:
    """The text of a recording."""
    suffix = Path(file.filename or "").suffix
    with tempfile.NamedTemporaryFile(suffix=suffix) as copy:
        shutil.copyfileobj(file.file, copy)
        copy.flush()
        segments, info = model.transcribe(copy.name, language=language)
        text = "".join(segment.text for segment in segments)
    return {"text": text.strip(), "language": info.language}
