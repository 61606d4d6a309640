"""`zhiyin listen`: live captions in the terminal, without a server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from zhiyin.cli.microphone import microphone
from zhiyin.config import load
from zhiyin.core.live.live_session import LiveSession
from zhiyin.domain.audio import SAMPLE_RATE, AudioLimits, Samples
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import UndecodableAudio
from zhiyin.domain.live import AudioFormat, Final, LiveEvent, LiveOptions, Partial, Warned
from zhiyin.domain.options import DecodeOptions, TextOptions
from zhiyin.domain.source import AudioSource
from zhiyin.wiring import Services, build

_CHUNK_S = 0.1


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asked for; `source` is a file, "-" or empty for the microphone.

    `silence_s` None is the setting's. `audio_format` is that of standard input. `pace` is the speed
    at which a file is played; 0 is as fast as it goes.
    """

    source: str
    model: str
    decode: DecodeOptions
    silence_s: float | None
    text: TextOptions
    audio_format: AudioFormat
    pace: float
    as_json: bool


def run(request: Request, data_dir: Path | None) -> None:
    """Show captions until the audio ends, or Ctrl-C, and then the rest. Raises AsrError."""
    _check(request.source)
    services = build(load(data_dir=data_dir), persist=False, isolate=False)
    with suppress(KeyboardInterrupt):
        asyncio.run(_listen(request, services))


def _check(source: str) -> None:
    """Raises UndecodableAudio for what can't be read at all, before the model is loaded."""
    path = Path(source)
    if source == "-" and sys.stdin is None:
        raise UndecodableAudio("There is no standard input to listen to; it is closed.")
    if source in ("", "-") or path.is_file():
        return
    if path.is_dir():
        raise UndecodableAudio(f"{source} is a folder; name one recording in it.")
    raise UndecodableAudio(f"{source}: there is no such file.")


async def _listen(request: Request, services: Services) -> None:
    console = Console(stderr=True)
    async with services:
        with console.status("Loading the model..."):
            session = await services.live.open(
                _options(request, services), _audio_format(request),
                Caller(door="cli", store=False),
            )  # fmt: skip
        if not request.source:
            console.print("Listening. Ctrl-C ends.", style="dim")
        showing = asyncio.create_task(_show(session, request.as_json))
        try:
            with suppress(asyncio.CancelledError):  # Ctrl-C: the rest of the text is still wanted
                await _write(session, request, services)
        finally:
            await session.finish()
            await showing
            await session.close()


def _options(request: Request, services: Services) -> LiveOptions:
    defaults = services.live.defaults
    silence_s = defaults.silence_s if request.silence_s is None else request.silence_s
    return LiveOptions(
        request.model, request.decode, silence_s=silence_s, threshold=defaults.threshold,
        lead_in_s=defaults.lead_in_s, text=request.text,
    )  # fmt: skip


def _audio_format(request: Request) -> AudioFormat:
    """Of the bytes that are written; a file and the microphone give samples."""
    raw = request.source == "-"
    return request.audio_format if raw else AudioFormat("f32le", SAMPLE_RATE)


async def _write(session: LiveSession, request: Request, services: Services) -> None:
    data = _standard_input() if request.source == "-" else _encoded(request, services)
    async with aclosing(data):
        async for chunk in data:
            await session.write(chunk)


async def _encoded(request: Request, services: Services) -> AsyncGenerator[bytes, None]:
    blocks = _file(request, services) if request.source else microphone()
    async with aclosing(blocks):
        async for block in blocks:
            yield block.astype("<f4").tobytes()


async def _file(request: Request, services: Services) -> AsyncGenerator[Samples, None]:
    size, begun, sent = int(_CHUNK_S * SAMPLE_RATE), time.monotonic(), 0
    with await asyncio.to_thread(open, request.source, "rb") as stream:
        limits = AudioLimits(services.settings.audio.max_seconds)
        bytes_ = await asyncio.to_thread(os.path.getsize, request.source)
        decoded = services.decoder.open(AudioSource(stream, bytes_), limits)
        for block in decoded.blocks():
            for at in range(0, len(block), size):
                yield block[at : at + size]
                sent += len(block[at : at + size])
                if request.pace:
                    due = begun + sent / SAMPLE_RATE / request.pace
                    await asyncio.sleep(max(0.0, due - time.monotonic()))


async def _standard_input() -> AsyncGenerator[bytes, None]:
    descriptor = sys.stdin.fileno()
    while data := await _read(descriptor):
        yield data


def _read(descriptor: int) -> asyncio.Future[bytes]:
    """The next bytes, by a thread that the process does not wait for: they may never come."""
    coming: Future[bytes] = Future()
    coming.set_running_or_notify_cancel()

    def read() -> None:
        try:
            coming.set_result(os.read(descriptor, 1 << 16))
        except OSError as error:
            coming.set_exception(error)

    threading.Thread(target=read, daemon=True).start()
    return asyncio.wrap_future(coming)


async def _show(session: LiveSession, as_json: bool) -> None:
    if as_json:
        async for event in session.events():
            print(_line(event), flush=True)
        return
    console = Console()
    if not console.is_terminal:
        async for event in session.events():
            if isinstance(event, Final) and event.text:
                print(event.text, flush=True)
        return
    with Live(console=console, refresh_per_second=10, transient=True) as live:
        async for event in session.events():
            _draw(live, event)


def _draw(live: Live, event: LiveEvent) -> None:
    if isinstance(event, Partial):
        live.update(Text.assemble(event.stable, (event.unstable, "dim")))
    elif isinstance(event, Final):
        live.update(Text())
        if event.text:
            live.console.print(Text(event.text))
    elif isinstance(event, Warned):
        live.console.print(Text(event.message, "yellow"))


def _line(event: LiveEvent) -> str:
    fields = {"type": type(event).__name__, **asdict(event)}
    return json.dumps(fields, ensure_ascii=False)
