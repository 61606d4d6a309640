"""`zhiyin transcribe`: files in, text out, without a server."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from zhiyin.access.http import render
from zhiyin.cli.exit_codes import exit_code
from zhiyin.config import load
from zhiyin.domain import events
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import AsrError, InvalidRequest, UndecodableAudio
from zhiyin.domain.options import TranscribeOptions
from zhiyin.domain.source import AudioSource
from zhiyin.domain.transcript import Transcript
from zhiyin.wiring import Services, build

SUFFIX = {"text": "txt", "srt": "srt", "vtt": "vtt", "json": "json", "verbose_json": "json"}


@dataclass(frozen=True, slots=True)
class Request:
    """Options of the command line."""

    files: list[str]
    output: str
    output_dir: Path | None
    options: TranscribeOptions
    quiet: bool


def run(request: Request, data_dir: Path | None) -> int:
    """Transcribe every file; the exit code: 0 when all went well, else that of the first error."""
    if request.output not in SUFFIX:
        raise InvalidRequest(f"--format {request.output}: use one of {', '.join(SUFFIX)}.")
    if request.output_dir is not None:
        request.output_dir.mkdir(parents=True, exist_ok=True)
    settings = load(data_dir=data_dir)
    return asyncio.run(_Run(request).all_files(build(settings, persist=False, isolate=False)))


class _Run:
    """One run of the command."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._console = Console(stderr=True, quiet=request.quiet)
        self._errors = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[audio]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=not self._console.is_terminal,
            disable=request.quiet or not self._console.is_terminal,
        )
        self._taken: set[Path] = set()

    async def all_files(self, services: Services) -> int:
        """Each file in turn; the exit code."""
        code = 0
        async with services:
            services.registry.check(self._request.options)
            with self._bar:
                for name in self._request.files:
                    try:
                        await self._one(services, name)
                    except AsrError as error:
                        self._print_error(name, error.message)
                        code = code or exit_code(error)
        return code

    async def _one(self, services: Services, name: str) -> None:
        task = self._bar.add_task(_label(name), total=None, audio="")
        begun = time.perf_counter()
        try:
            with _opened(name) as source:
                transcript = await self._recognize(services, source, task, begun)
            self._write(name, transcript)
        except BaseException:
            self._bar.remove_task(task)
            raise
        self._print_summary(name, transcript, time.perf_counter() - begun)

    async def _recognize(
        self, services: Services, source: AudioSource, task: TaskID, begun: float
    ) -> Transcript:
        run = services.transcriber.stream(
            source, self._request.options, Caller(door="cli", store=False)
        )
        async with aclosing(run):
            async for event in run:
                if isinstance(event, events.Progress):
                    self._show(task, event, begun)
                if isinstance(event, events.Finished):
                    done = event.transcript
                    self._show(task, events.Progress(done.duration, done.duration), begun)
        return done

    def _show(self, task: TaskID, progress: events.Progress, begun: float) -> None:
        seconds = progress.processed
        rtf = (time.perf_counter() - begun) / seconds if seconds else 0.0
        total = progress.duration
        of = f"/{total:.0f}" if total else ""
        audio = f"{seconds:.0f}{of} s  RTF {rtf:.2f}" if seconds else ""
        self._bar.update(task, completed=seconds, total=total, audio=audio)

    def _print_summary(self, name: str, transcript: Transcript, took: float) -> None:
        rtf = took / transcript.duration if transcript.duration else 0.0
        self._console.print(
            f"{escape(_label(name))}: {transcript.duration:.1f} s of audio in {took:.1f} s "
            f"(RTF {rtf:.2f}), language {transcript.language}",
            highlight=False,
        )
        for notice in transcript.notices:
            self._console.print(f"  [yellow]note:[/yellow] {notice.message}", highlight=False)

    def _print_error(self, name: str, message: str) -> None:
        self._errors.print(
            f"[red]error:[/red] {escape(_label(name))}: {escape(message)}", highlight=False
        )

    def _write(self, name: str, transcript: Transcript) -> None:
        text = _rendered(transcript, self._request.output)
        if self._request.output_dir is None:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        path = self._free_path(self._request.output_dir, name)
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise AsrError(f"Can't write {path}: {error.strerror}.", code="io_error") from error

    def _free_path(self, folder: Path, name: str) -> Path:
        """A unique name in this run: a.wav and a.mp3 must not overwrite each other's text."""
        stem = "stdin" if name == "-" else Path(name).stem
        suffix = SUFFIX[self._request.output]
        path, count = folder / f"{stem}.{suffix}", 1
        while path in self._taken:
            count += 1
            path = folder / f"{stem}-{count}.{suffix}"
        self._taken.add(path)
        return path


def _rendered(transcript: Transcript, output: str) -> str:
    if output == "json":
        body = render.recognition(transcript, "")
        del body["id"]
    elif output == "verbose_json":
        body = render.verbose_json(transcript, frozenset({"segment", "word"}))
    else:
        return render.text_form(transcript, output)
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def _label(name: str) -> str:
    return "standard input" if name == "-" else Path(name).name


@contextmanager
def _opened(name: str) -> Iterator[AudioSource]:
    if name == "-":
        with tempfile.TemporaryFile() as spool:
            # Containers such as m4a can only be read from something seekable.
            shutil.copyfileobj(sys.stdin.buffer, spool)
            size = spool.tell()
            yield AudioSource(cast("BinaryIO", spool), size)
        return
    path = Path(name)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise UndecodableAudio("there is no such file, or it can't be read.")
    with path.open("rb") as file:
        yield AudioSource(file, path.stat().st_size)
