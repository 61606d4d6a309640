"""zhiyin as a library, behind the same face as the peers. The only file here that knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

from zhiyin.config import Settings, load
from zhiyin.domain.options import DecodeOptions, TranscribeOptions
from zhiyin.domain.source import AudioSource
from zhiyin.engines.whisper.provider import WhisperProvider
from zhiyin.wiring import Services, build, providers

T = TypeVar("T")


def settings(model: str, device: str, threads: int, compute_type: str) -> Settings:
    """Settings of zhiyin for a bench; its environment and zhiyin.toml give the rest."""
    return load(
        models={"default": model},
        engine={"device": device, "threads": threads, "compute_type": compute_type},
    )


def model_folder(chosen: Settings) -> Path:
    """The verified weights of the default model, which a peer may load as they are.

    Raises AsrError when they are not installed.
    """
    for provider in providers(chosen):
        if isinstance(provider, WhisperProvider):
            return provider.path(chosen.models.default)
    raise LookupError("the Whisper engine is not installed")


class Zhiyin:
    """A `Peer`: the whole library path from file to text, without HTTP.

    A context manager that holds the service's event loop in a thread of its own.
    """

    name = "zhiyin"

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="zhiyin-bench", daemon=True)
        self._services: Services | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._services = self._call(self._open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._services is not None:
            self._call(self._services.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def transcribe(self, path: Path, language: str | None) -> str:
        """The whole text of a recording. Raises AsrError."""
        assert self._services is not None, "used outside of its context"
        options = TranscribeOptions(decode=DecodeOptions(language=language))
        with path.open("rb") as stream:
            source = AudioSource(stream, path.stat().st_size)
            return self._call(self._services.transcriber.transcribe(source, options)).text

    async def _open(self) -> Services:
        return build(self._settings, remember=False)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
