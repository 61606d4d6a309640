"""Clients that stream to a live server in real time and record its events with their times."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from bench.manifest import Recording
from bench.measure import spoken_as
from bench.sound import s16le
from zhiyin.domain.audio import SAMPLE_RATE, Samples

_REST_S = 120.0  # a server that has not finished by then never will


@dataclass(frozen=True, slots=True)
class Manner:
    """How a client speaks: `frame_s` of sound per message, on the beat of one clock.

    With `commit` it commits its utterance; else it falls silent for `rest_s` and the server
    has to detect the end. It stops after `cut_s`, in the middle of a word if need be.
    """

    frame_s: float = 0.1
    commit: bool = False
    rest_s: float = 2.0
    cut_s: float | None = None


@dataclass(slots=True)
class Talk:
    """What a client received: events with the seconds since it began to speak.

    Sound at second x of the recording was sent at second x of the talk. `ended_s` is when the
    last sound (and the commit) was sent; `lag_s` by how much the client was late itself.
    """

    recording: Recording
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    ended_s: float = 0.0
    lag_s: float = 0.0
    sent_s: float = 0.0

    def of(self, kind: str) -> list[tuple[float, dict[str, Any]]]:
        """The events of a type."""
        return [(at, event) for at, event in self.events if event["type"] == kind]

    @property
    def text(self) -> str:
        """All finals."""
        return " ".join(event["text"] for _, event in self.of("final"))


async def talk(
    url: str, recording: Recording, samples: Samples, manner: Manner, silence_ms: int = 500
) -> Talk:
    """One recording over `/v1/stream` at the pace of speech. Raises OSError or TimeoutError."""
    seen = Talk(recording)
    async with connect(url, max_size=None, compression=None) as socket:
        start: dict[str, Any] = {"type": "start", "words": True, "silence_ms": silence_ms}
        language = spoken_as(recording)
        if language is not None:
            start["language"] = language
        await socket.send(json.dumps(start))
        json.loads(await socket.recv())  # ready
        begun = time.monotonic()
        receiving = asyncio.create_task(_receive(socket, seen, begun))
        await _speak(socket, seen, _sound(samples, manner), manner, begun)
        if manner.commit:
            await socket.send('{"type":"commit"}')
        seen.ended_s = time.monotonic() - begun
        await socket.send('{"type":"eof"}')
        async with asyncio.timeout(_REST_S):
            await receiving
    return seen


async def together(
    url: str, jobs: Sequence[tuple[Recording, Samples]], clients: int, manner: Manner, seed: int
) -> list[Talk]:
    """So many clients at once share the recordings; each begins at a random moment."""
    waiting = iter(jobs)
    talks: list[Talk] = []
    chance = random.Random(seed)

    async def client(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        for recording, samples in waiting:
            talks.append(await talk(url, recording, samples, manner))

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client(chance.random()))
    return talks


def _sound(samples: Samples, manner: Manner) -> Samples:
    if manner.cut_s is not None:
        return samples[: int(manner.cut_s * SAMPLE_RATE)]
    if manner.commit:
        return samples
    # Room noise rather than digital silence, which no microphone gives.
    rest = np.random.default_rng(1).normal(0, 1e-4, int(manner.rest_s * SAMPLE_RATE))
    return np.concatenate([samples, rest.astype(np.float32)])


async def _speak(
    socket: ClientConnection, seen: Talk, samples: Samples, manner: Manner, begun: float
) -> None:
    raw = s16le(samples)
    step = int(manner.frame_s * SAMPLE_RATE) * 2
    for at in range(0, len(raw), step):
        due = begun + (at + step) / 2 / SAMPLE_RATE
        wait = due - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        seen.lag_s = max(seen.lag_s, -wait)
        await socket.send(raw[at : at + step])
    seen.sent_s = len(samples) / SAMPLE_RATE


async def _receive(socket: ClientConnection, seen: Talk, begun: float) -> None:
    async for message in socket:
        event = json.loads(message)
        seen.events.append((time.monotonic() - begun, event))
        if event["type"] in ("done", "error"):
            return
