"""Recordings spoken to a live service on a virtual clock, and the same sound as files."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from bench.manifest import Recording
from bench.measure import spoken_as
from bench.sound import s16le
from bench.virtual_engine import VirtualEngine
from bench.virtual_time import InlinePool, run
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.audio.vad import SileroVad
from zhiyin.core.live.live_session import LiveLimits
from zhiyin.core.live.service import LiveService
from zhiyin.core.live.session import SessionPolicy
from zhiyin.core.scheduling.registry import Registry
from zhiyin.core.segmentation.cutting import CutPolicy, Cutter
from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import Clip
from zhiyin.domain.live import AudioFormat, Final, LiveOptions
from zhiyin.domain.options import DecodeOptions
from zhiyin.domain.transcript import join_texts
from zhiyin.ports.vad import FRAME

_FRAME_S = 0.1
_VAD = SileroVad()


@dataclass(frozen=True, slots=True)
class Manner:
    """How it is spoken. `rest_s` of silence follow; without, the stream ends with the speech."""

    rest_s: float = 0.0
    silence_s: float = 0.5
    partials: bool = True
    detect: bool = False


@dataclass(frozen=True, slots=True)
class Spoken:
    """The text, and when the last of it came: seconds after the end of the speech's sound."""

    text: str
    final_s: float
    finals: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """A recording in one of its forms."""

    recording: Recording
    form: str
    samples: Samples

    @property
    def decode(self) -> DecodeOptions:
        """With its language."""
        return DecodeOptions(language=spoken_as(self.recording), words=True)


def as_file(engine: VirtualEngine, utterance: Utterance, *, detect: bool = False) -> str:
    """The text of the same sound as a file."""
    decode = replace(utterance.decode, language=None) if detect else utterance.decode
    samples = utterance.samples
    whole = np.pad(samples, (0, -len(samples) % FRAME))
    cutter = Cutter(CutPolicy())
    pieces = [*cutter.push(whole, _VAD.session().probabilities(whole)), *cutter.finish()]
    results = [engine.transcribe(Clip(p.samples, decode, p.speech)) for p in pieces]
    return join_texts(s.text for r in results for s in r.segments)


def live(
    engine: VirtualEngine, utterances: Sequence[Utterance], manner: Manner, policy: SessionPolicy,
    clients: int = 1,
) -> list[Spoken]:  # fmt: skip
    """All of them, by so many clients at once, in order."""
    return run(_together(engine, utterances, manner, policy, clients))


async def _together(
    engine: VirtualEngine, utterances: Sequence[Utterance], manner: Manner, policy: SessionPolicy,
    clients: int,
) -> list[Spoken]:  # fmt: skip
    clock = asyncio.get_running_loop().time
    service = LiveService(
        cast("Registry", engine), AvLiveDecoder(), _VAD, InlinePool(), LiveLimits(), policy,
        clock=clock,
    )  # fmt: skip
    waiting, found = iter(enumerate(utterances)), dict[int, Spoken]()
    chance = random.Random(clients)

    async def client() -> None:
        await asyncio.sleep(chance.random())
        for i, utterance in waiting:
            found[i] = await _speak(service, utterance, manner, clock)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return [found[i] for i in range(len(utterances))]


async def _speak(
    service: LiveService, utterance: Utterance, manner: Manner, clock: Callable[[], float]
) -> Spoken:
    decode = replace(utterance.decode, language=None) if manner.detect else utterance.decode
    options = LiveOptions(decode=decode, silence_s=manner.silence_s, partials=manner.partials)
    session = await service.open(options, AudioFormat(), Caller())
    finals: list[tuple[float, str]] = []

    async def receive() -> None:
        async for event in session.events():
            if isinstance(event, Final):
                finals.append((clock(), event.text))  # noqa: PERF401 (each at its time)

    reading = asyncio.create_task(receive())
    begun = clock()
    rest = np.random.default_rng(1).normal(0, 1e-4, int(manner.rest_s * SAMPLE_RATE))
    raw = s16le(np.concatenate([utterance.samples, rest.astype(np.float32)]))
    step = int(_FRAME_S * SAMPLE_RATE) * 2
    for at in range(0, len(raw), step):
        due = begun + (at + step) / 2 / SAMPLE_RATE
        await asyncio.sleep(max(0.0, due - clock()))
        await session.write(raw[at : at + step])
    await session.finish()
    await reading
    await session.close()
    ended = begun + len(utterance.samples) / SAMPLE_RATE
    last = max((at for at, text in finals if text), default=ended)
    return Spoken(join_texts(text for _, text in finals), last - ended, len(finals))
