"""`python -m bench.endurance`: a session of an hour, and a thousand sessions one after another."""

from __future__ import annotations

import asyncio
import json as codec
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from websockets.asyncio.client import ClientConnection, connect

from bench import options, provenance
from bench.joined import joined
from bench.latency import Latency, latency
from bench.manifest import Recording, Selection
from bench.resident import rss_mb
from bench.servers import server
from bench.setup import Setup
from bench.sound import s16le, samples_of
from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.scoring import score

RESULT = provenance.RESULTS / "endurance.json"

_FRAME_S = 0.1
_SILENCE_S = 0.5
_EVERY_S = 60.0  # of sound, between two looks at the memory
_AT_ONCE = 16
_REST_S = 20.0  # in which the server gives back what it does not need


@dataclass(slots=True)
class Session:
    """One long session. Seconds of sound (`at`), seconds of waiting, MB of the server."""

    finals: list[tuple[float, float]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    warnings: int = 0


@dataclass(frozen=True, slots=True)
class Hour:
    """What a long session showed.

    `final` is the wait from the sound that completed the configured silence to the final, and
    `slope_ms_per_minute` how it grew, by least squares, with its standard error. Memory: means over
    the first and the last fifth of the session, the first minutes left out.
    """

    lang: str
    audio_s: float
    pace: float
    final: Latency | None
    slope_ms_per_minute: float
    slope_error_ms_per_minute: float
    rss_first_mb: float
    rss_last_mb: float
    warnings: int
    error_percent: float | None


@dataclass(frozen=True, slots=True)
class Many:
    """Short sessions one after another, and those that failed.

    Memory is looked at `_REST_S` after the last one, and before them, after some others.
    """

    sessions: int
    rss_before_mb: float
    rss_after_mb: float
    growth_percent: float
    failed: int


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    language: Annotated[str, typer.Option(help="Of the recordings.")] = "en",
    minutes: Annotated[float, typer.Option(help="Length of the long session.")] = 60.0,
    pace: Annotated[float, typer.Option(help="Seconds of sound per second.", min=0.1)] = 1.0,
    sessions: Annotated[int, typer.Option(help="Short sessions.", min=0)] = 1000,
    json: options.Json = RESULT,
) -> None:
    """Speak for an hour, then open and close many sessions."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    recordings = options.sentences(manifest, Selection(frozenset({language})))
    setup = Setup(model, device, threads, compute_type)
    console = Console(stderr=True)
    with server("zhiyin", setup) as started, tempfile.TemporaryDirectory() as folder:
        url = started.url.replace("http:", "ws:").removesuffix("/recognize") + "/v1/stream"
        spoken = joined(recordings, language, Path(folder), minutes * 60)
        sound = samples_of(spoken)
        seen = asyncio.run(_speak(url, sound, language, pace, started.pid))
        hour = _hour(spoken, seen, pace)
        console.print(hour)
        many = asyncio.run(_many(url, sound[: 2 * SAMPLE_RATE], language, sessions, started.pid))
        console.print(many)
    content = {"hour": asdict(hour), "many": asdict(many)}
    provenance.write(json, provenance.head(given) | content)


async def _speak(url: str, sound: Samples, language: str, pace: float, pid: int) -> Session:
    seen = Session()
    async with connect(url, max_size=None, compression=None) as socket:
        await _start(socket, language)
        begun = time.monotonic()
        listening = asyncio.create_task(_listen(socket, seen, begun, pace))
        step = int(_FRAME_S * SAMPLE_RATE)
        for at in range(0, len(sound), step):
            sent = (at + step) / SAMPLE_RATE
            await asyncio.sleep(max(0.0, begun + sent / pace - time.monotonic()))
            await socket.send(s16le(sound[at : at + step]))
            if sent >= _EVERY_S * (len(seen.memory) + 1):
                seen.memory.append((sent, rss_mb(pid)))
        await socket.send('{"type":"eof"}')
        await listening
    return seen


async def _start(socket: ClientConnection, language: str) -> None:
    start = {"type": "start", "language": language, "silence_ms": int(_SILENCE_S * 1000)}
    await socket.send(codec.dumps(start))
    await socket.recv()


async def _listen(socket: ClientConnection, seen: Session, begun: float, pace: float) -> None:
    async for message in socket:
        event: dict[str, Any] = codec.loads(message)
        if event["type"] == "final":
            seen.text.append(event["text"])
            if event["reason"] == "vad":
                # The end of a segment is that of the silence which ended it.
                due = begun + event["end"] / pace
                seen.finals.append((event["end"], time.monotonic() - due))
        seen.warnings += event["type"] == "warning"
        if event["type"] in ("done", "error"):
            return


def _hour(spoken: Recording, seen: Session, pace: float) -> Hour:
    slope, error = _slope(seen.finals)
    memory = [mb for at, mb in seen.memory if at > 3 * _EVERY_S] or [mb for _, mb in seen.memory]
    fifth = max(1, len(memory) // 5)
    return Hour(
        lang=spoken.lang,
        audio_s=spoken.seconds,
        pace=pace,
        final=latency(wait for _, wait in seen.finals),
        slope_ms_per_minute=slope * 60_000,
        slope_error_ms_per_minute=error * 60_000,
        rss_first_mb=fmean(memory[:fifth]) if memory else 0.0,
        rss_last_mb=fmean(memory[-fifth:]) if memory else 0.0,
        warnings=seen.warnings,
        error_percent=score(spoken.reference, " ".join(seen.text), spoken.lang).percent,
    )


def _slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of a line through points (x, y), by least squares, and its standard error."""
    if len(points) < 3:
        return 0.0, 0.0
    x, y = np.array(points).T
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    return float(slope), float(np.sqrt(covariance[0, 0]))


async def _many(url: str, sound: Samples, language: str, sessions: int, pid: int) -> Many:
    failed = await _sessions(url, sound, language, min(sessions, 5 * _AT_ONCE))
    await asyncio.sleep(_REST_S)
    before = rss_mb(pid)
    failed += await _sessions(url, sound, language, sessions)
    await asyncio.sleep(_REST_S)
    after = rss_mb(pid)
    return Many(sessions, before, after, 100 * (after / before - 1), failed)


async def _sessions(url: str, sound: Samples, language: str, count: int) -> int:
    """Every tenth speaks; gives how many failed."""
    turns = iter(range(count))
    quiet = np.zeros(SAMPLE_RATE // 2, np.float32)
    failed = 0

    async def client() -> None:
        nonlocal failed
        for turn in turns:
            failed += not await _short(url, quiet if turn % 10 else sound, language)

    await asyncio.gather(*(client() for _ in range(_AT_ONCE)))
    return failed


async def _short(url: str, sound: Samples, language: str) -> bool:
    kinds: Sequence[str] = ()
    async with connect(url, max_size=None, compression=None) as socket:
        await _start(socket, language)
        await socket.send(s16le(sound))
        await socket.send('{"type":"eof"}')
        kinds = [codec.loads(message)["type"] async for message in socket]
    return bool(kinds) and kinds[-1] == "done"


if __name__ == "__main__":
    typer.run(main)
