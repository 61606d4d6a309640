"""zhiyin as a library, behind the same interface as the peers. The only file here that knows it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

from zhiyin.config import Settings, load
from zhiyin.domain.caller import Caller
from zhiyin.domain.options import DecodeOptions, TranscribeOptions
from zhiyin.domain.source import AudioSource
from zhiyin.engines.whisper.provider import WhisperProvider
from zhiyin.wiring import Services, build
from zhiyin.wiring.engines import providers

T = TypeVar("T")

_NAME = re.compile(r"zhiyin(?:-(\d+)s)?(?:-beam(\d+))?")


def settings(
    model: str, device: str, threads: int, compute_type: str, **other: dict[str, Any]
) -> Settings:
    """Settings of zhiyin for a bench; its environment and zhiyin.toml give the rest."""
    return load(
        models={"default": model},
        engine={"device": device, "threads": threads, "compute_type": compute_type},
        **other,
    )


def model_folder(chosen: Settings) -> Path:
    """The verified weights of the default model, which a peer may load as they are.

    Raises AsrError when they are not installed.
    """
    for provider in providers(chosen):
        if isinstance(provider, WhisperProvider):
            return provider.path(chosen.models.default)
    raise LookupError("the Whisper engine is not installed")


@dataclass(frozen=True, slots=True)
class Variant:
    """zhiyin with other choices, named `zhiyin-8s-beam3`, say; None is its own choice."""

    piece_s: int | None = None
    beam_size: int | None = None

    @staticmethod
    def named(name: str) -> Variant | None:
        """What a name stands for; None when it is no name of zhiyin."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        piece_s, beam_size = (None if part is None else int(part) for part in found.groups())
        return Variant(piece_s, beam_size)

    @property
    def settings(self) -> dict[str, Any]:
        """The service's settings that make it."""
        return {} if self.piece_s is None else {"audio": {"piece_s": self.piece_s}}


class Zhiyin:
    """A `Peer`: the whole library path from file to text, without HTTP.

    A context manager that holds the service's event loop in a thread of its own.
    """

    name = "zhiyin"

    def __init__(self, chosen: Settings, beam_size: int | None = None) -> None:
        self._settings = chosen
        self._beam_size = beam_size
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
        decode = DecodeOptions(language=language, beam_size=self._beam_size)
        options = TranscribeOptions(decode=decode)
        with path.open("rb") as stream:
            source = AudioSource(stream, path.stat().st_size)
            return self._call(self._services.transcriber.transcribe(source, options, Caller())).text

    async def _open(self) -> Services:
        return build(self._settings, persist=False, isolate=False)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
