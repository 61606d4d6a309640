"""One speaker of a caption room, and many who read; when each received what, by one clock."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect

from bench.latency import Latency, latency
from bench.sound import s16le
from zhiyin.domain.audio import SAMPLE_RATE, Samples

_FRAME_S = 0.1
_REST_S = 120.0  # a room that has not ended by then never will
_AT_ONCE = 50  # connections that are opened together


@dataclass(frozen=True, slots=True)
class FanOut:
    """Seconds from the moment a caption has reached any client, the speaker included.

    `finals` and `partials` are of every viewer and caption, `last_viewer` of the slowest viewer of
    each final. A slow viewer is not shown partials that are old already; a final that it does not
    get, or gets twice, is in `lost` or `repeated`.
    """

    viewers: int
    audio_s: float
    captions: int
    finals: Latency | None
    partials: Latency | None
    last_viewer: Latency | None
    lost: int
    repeated: int


@dataclass(slots=True)
class Seen:
    """When each message came to each reader (monotonic seconds); the last reader is the speaker."""

    readers: int
    at: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def received(self, message: str, reader: int) -> None:
        """Note that the reader has received it now."""
        self.at.setdefault(message, []).append((reader, time.monotonic()))


async def fan_out(url: str, samples: Samples, viewers: int, *, compression: bool) -> FanOut:
    """Speak at the pace of speech to so many. `url` has the room's name, but no role."""
    seen = Seen(viewers)
    how = "deflate" if compression else None
    async with AsyncExitStack() as stack, asyncio.timeout(len(samples) / SAMPLE_RATE + _REST_S):
        gate = asyncio.Semaphore(_AT_ONCE)

        async def opened(role: str) -> ClientConnection:
            async with gate:
                made = connect(f"{url}&role={role}", max_size=None, compression=how)
                return await stack.enter_async_context(made)

        sockets = await asyncio.gather(*(opened("viewer") for _ in range(viewers)))
        speaker = await opened("speaker")
        reading = [_read(socket, seen, n) for n, socket in enumerate((*sockets, speaker))]
        await asyncio.gather(_speak(speaker, samples), *reading)
    return summary(seen, viewers, len(samples) / SAMPLE_RATE)


async def _read(socket: ClientConnection, seen: Seen, reader: int) -> None:
    async for message in socket:
        text = str(message)
        seen.received(text, reader)
        if text == '{"type": "end"}':
            return


async def _speak(socket: ClientConnection, samples: Samples) -> None:
    raw = s16le(samples)
    step = int(_FRAME_S * SAMPLE_RATE) * 2
    begun = time.monotonic()
    for at in range(0, len(raw), step):
        await asyncio.sleep(begun + (at + step) / 2 / SAMPLE_RATE - time.monotonic())
        await socket.send(raw[at : at + step])
    await socket.send('{"type":"eof"}')


def summary(seen: Seen, viewers: int, audio_s: float) -> FanOut:
    """What it was like for the viewers; the speaker counts only for when a caption was there."""
    finals: list[float] = []
    partials: list[float] = []
    last: list[float] = []
    lost = repeated = 0
    for final, arrivals in _captions(seen):
        first = min(at for _, at in arrivals)
        delays = [at - first for reader, at in arrivals if reader < viewers]
        if not final:
            partials += delays
            continue
        readers = {reader for reader, _ in arrivals if reader < viewers}
        finals += delays
        last.append(max(delays, default=0.0))
        lost += viewers - len(readers)
        repeated += len(delays) - len(readers)
    return FanOut(
        viewers, audio_s, len(list(_captions(seen))), latency(finals), latency(partials),
        latency(last), lost, repeated,
    )  # fmt: skip


def _captions(seen: Seen) -> Iterator[tuple[bool, list[tuple[int, float]]]]:
    for message, arrivals in seen.at.items():
        event = json.loads(message)
        if event["type"] == "caption":
            yield bool(event["final"]), arrivals
