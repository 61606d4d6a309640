"""A recognizer in a process of its own, with the environment it would have without zhiyin.

zhiyin chooses how OpenMP threads wait when it loads a model, which holds for the whole process; a
peer in the same one would get it for nothing and no longer be what people run.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.peer import Peer
from bench.setup import Setup, recognizer

# Of a child process: its one recognizer, open until the process ends.
_here: list[Peer] = []
_open_ones = ExitStack()


class Apart:
    """A `Peer` that lives in a process of its own; a context manager."""

    def __init__(self, name: str, setup: Setup) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, initializer=_open, initargs=(name, setup))

    def transcribe(self, path: Path, language: str | None) -> str:
        """The whole text. Raises what the recognizer raises."""
        return self._pool.submit(_transcribe, path, language).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()


def _open(name: str, setup: Setup) -> None:
    _here.append(_open_ones.enter_context(recognizer(name, setup)))


def _transcribe(path: Path, language: str | None) -> str:
    return _here[0].transcribe(path, language)
