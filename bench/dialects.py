"""Clients of live servers, each in its server's own protocol, all with the same pace and measure.

Sound goes out in frames on the beat of one clock; then the client ends the stream in the
server's own way. The final text is that of the last message that changed the text.
Sources: WhisperLiveKit `docs/API.md`, WhisperLive `whisper_live/client.py`.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.sound import s16le
from zhiyin.domain.audio import SAMPLE_RATE, Samples

FRAME_S = 0.1
_SETTLED_S = 15.0  # nothing new for so long after the end: nothing more will come


@dataclass(slots=True)
class LiveResult:
    """One client's result. Seconds: first text since the sound's start, last text after its end.

    `lag_s` is by how much the client itself was late.
    """

    text: str = ""
    first_s: float | None = None
    final_s: float | None = None
    lag_s: float = 0.0
    failed: bool = False


class Dialect(Protocol):
    """One server's protocol; an object is one connection."""

    path: str

    async def begin(self, socket: ClientConnection, language: str | None) -> None:
        """Send the options and wait until the server is ready."""
        ...

    def frame(self, sound: Samples) -> bytes:
        """A message of sound."""
        ...

    async def end(self, socket: ClientConnection) -> None:
        """Send the end of the stream."""
        ...

    def take(self, message: Mapping[str, Any]) -> str | None:
        """The whole text so far after a message; None when it was the last."""
        ...


class Native:
    """zhiyin's /v1/stream."""

    path = "/v1/stream"

    def __init__(self) -> None:
        self._finals: list[str] = []

    async def begin(self, socket: ClientConnection, language: str | None) -> None:
        """One message each way."""
        start = {"type": "start"} | ({"language": language} if language else {})
        await socket.send(json.dumps(start))
        await socket.recv()

    def frame(self, sound: Samples) -> bytes:
        """s16le."""
        return s16le(sound)

    async def end(self, socket: ClientConnection) -> None:
        """Commit and end of stream in one."""
        await socket.send('{"type":"eof"}')

    def take(self, message: Mapping[str, Any]) -> str | None:
        """Finals add up; a partial is the open segment's text."""
        kind, passing = message["type"], ""
        if kind == "done":
            return None
        if kind == "final":
            self._finals.append(message["text"])
        if kind == "partial":
            passing = message["stable"] + message["unstable"]
        return " ".join([*self._finals, passing]).strip()


class LiveKit:
    """WhisperLiveKit's /asr, started with --pcm-input."""

    path = "/asr"

    def __init__(self) -> None:
        self._text = ""

    async def begin(self, socket: ClientConnection, language: str | None) -> None:
        """Nothing to send: the server's command line has the options."""

    def frame(self, sound: Samples) -> bytes:
        """s16le."""
        return s16le(sound)

    async def end(self, socket: ClientConnection) -> None:
        """An empty message."""
        await socket.send(b"")

    def take(self, message: Mapping[str, Any]) -> str | None:
        """Settled lines, and what is still in the buffer."""
        if message.get("type") == "ready_to_stop":
            return None
        if "lines" in message:
            parts = [line.get("text") or "" for line in message["lines"]]
            parts.append(message.get("buffer_transcription") or "")
            self._text = " ".join(p.strip() for p in parts).strip()
        return self._text


class Live:
    """WhisperLive's only path."""

    path = "/"

    def __init__(self) -> None:
        self._text = ""

    async def begin(self, socket: ClientConnection, language: str | None) -> None:
        """A JSON message; SERVER_READY comes when the model is there."""
        asked = {
            "uid": str(uuid.uuid4()), "language": language, "task": "transcribe",
            "model": "base", "use_vad": True,
        }  # fmt: skip
        await socket.send(json.dumps(asked))
        while json.loads(await socket.recv()).get("message") != "SERVER_READY":
            pass

    def frame(self, sound: Samples) -> bytes:
        """float32."""
        return sound.astype("<f4").tobytes()

    async def end(self, socket: ClientConnection) -> None:
        """Its own client only waits for the rest: END_OF_AUDIO would drop what is not decoded."""

    def take(self, message: Mapping[str, Any]) -> str | None:
        """The last segments, by their start; older ones are kept from earlier messages."""
        if message.get("message") == "DISCONNECT":
            return None
        self._store(message.get("segments") or [])
        return self._text

    def _store(self, segments: list[dict[str, Any]]) -> None:
        if not segments:
            return
        self._known: dict[float, str] = getattr(self, "_known", {})
        first = min(float(s["start"]) for s in segments)
        self._known = {at: text for at, text in self._known.items() if at < first}
        self._known |= {float(s["start"]): s["text"].strip() for s in segments}
        self._text = " ".join(self._known[at] for at in sorted(self._known))


DIALECTS: Mapping[str, Callable[[], Dialect]] = {
    "zhiyin": Native,
    "whisperlivekit": LiveKit,
    "whisperlive": Live,
}


async def speak(dialect: Dialect, base: str, samples: Samples, language: str | None) -> LiveResult:
    """One recording at the pace of speech to the server at `base` (ws://host:port)."""
    result = LiveResult()
    try:
        async with _open(base + dialect.path) as socket:
            await dialect.begin(socket, language)
            await _send_audio(dialect, socket, samples, result)
    except (OSError, ConnectionClosed, TimeoutError):
        result.failed = True
    return result


@asynccontextmanager
async def _open(url: str) -> AsyncIterator[ClientConnection]:
    async with connect(url, max_size=None, compression=None, close_timeout=1) as socket:
        yield socket


async def _send_audio(
    dialect: Dialect, socket: ClientConnection, samples: Samples, result: LiveResult
) -> None:
    begun = time.monotonic()
    changes: list[float] = []
    receiving = asyncio.create_task(_receive(dialect, socket, result, changes))
    step = int(FRAME_S * SAMPLE_RATE)
    for at in range(0, len(samples), step):
        wait = begun + (at + step) / SAMPLE_RATE - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        result.lag_s = max(result.lag_s, -wait)
        await socket.send(dialect.frame(samples[at : at + step]))
    await dialect.end(socket)
    ended = time.monotonic()
    await _wait_until_settled(receiving, changes, ended)
    if changes:
        result.first_s = changes[0] - begun
        result.final_s = max(0.0, changes[-1] - ended)


async def _receive(
    dialect: Dialect, socket: ClientConnection, result: LiveResult, changes: list[float]
) -> None:
    async for message in socket:
        text = dialect.take(json.loads(message))
        if text is None:
            return
        if text != result.text:
            result.text = text
            changes.append(time.monotonic())


async def _wait_until_settled(
    receiving: asyncio.Task[None], changes: list[float], ended: float
) -> None:
    """Wait until the server has finished, or sent nothing new for a while."""
    while not receiving.done():
        last = max([ended, *changes[-1:]])
        left = last + _SETTLED_S - time.monotonic()
        if left <= 0:
            receiving.cancel()
            return
        await asyncio.wait([receiving], timeout=left)
