"""What holds in every live protocol: the same defaults, decoding off the event loop, no mix-ups."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.support import hostile, media
from tests.support.app_server import AppServer, Client, app_server, of, s16le
from tests.support.live_stack import said, silence
from tests.support.waiting import until
from zhiyin.audio.sound import AvLiveDecoder
from zhiyin.domain.audio import Samples
from zhiyin.domain.live import AudioFormat, LiveDefaults, Received
from zhiyin.ports.sound import LiveSound

COMPLETED = "conversation.item.input_audio_transcription.completed"
PCM_24K = media.Form("s16le", "pcm_s16le", 24_000)


async def native(service: AppServer, sound: media.Samples) -> list[str]:
    return [e["text"] for e in of(await service.talk(sound), "final")]


async def captions(service: AppServer, sound: media.Samples, query: str = "") -> list[str]:
    async with service.dial(f"/ws/subtitle?language=en{query}") as client:
        await client.say(s16le(sound))
        await client.socket.send("eof")
        return [e["text"] for e in of(await client.until("end"), "caption") if e["final"]]


async def realtime(service: AppServer, sound: media.Samples) -> list[str]:
    """The server finds the turns; a second of silence after the sound ends the last."""
    async with service.dial("/v1/realtime?intent=transcription") as client:
        created = (await client.until("session.created"))[-1]["session"]
        turns = created["audio"]["input"]["turn_detection"]
        assert turns["silence_duration_ms"] == service.live.defaults.silence_s * 1000
        data = media.encode(np.concatenate([sound, silence(3.0)]), PCM_24K)
        for at in range(0, len(data), 4800):
            piece = base64.b64encode(data[at : at + 4800]).decode()
            await client.tell("input_audio_buffer.append", audio=piece)
        await client.tell("input_audio_buffer.commit")  # an item without speech: all is told
        return await transcripts(client)


async def transcripts(client: Client) -> list[str]:
    """Of all items, the empty one being committed last; it may be completed before others."""
    texts: list[str] = []
    committed = 0
    while "" not in texts or len(texts) < committed:
        events = await client.until(COMPLETED)
        committed += len(of(events, "input_audio_buffer.committed"))
        texts.append(events[-1]["transcript"])
    return [text for text in texts if text]


Speak = Callable[[AppServer, media.Samples], Awaitable[list[str]]]
DIALECTS: list[Speak] = [native, captions, realtime]


def levels(text: str) -> set[int]:
    """What was said, in tens: resampling moves a level by a little, and rings at the edges."""
    return {round(int(word[1:]), -1) for word in text.split()} - {0}


@pytest.mark.parametrize("speak", DIALECTS)
@pytest.mark.parametrize(("silence_s", "segments"), [(0.4, [{10}, {20}]), (1.5, [{10, 20}])])
async def test_the_operators_silence_ends_segments(
    speak: Speak, silence_s: float, segments: list[set[int]]
) -> None:
    sound = np.concatenate([said(10), silence(0.9), said(20), silence(2.0)])
    async with app_server(defaults=LiveDefaults(silence_s=silence_s)) as service:
        texts = await speak(service, sound)
    assert [levels(text) for text in texts] == segments


async def test_sound_that_stops_without_silence_is_soon_final() -> None:
    """As from a client with a speech detector of its own, in every protocol; it may go on."""

    async def native_client(service: AppServer) -> list[str]:
        async with service.begun() as client:
            texts = []
            for level in (10, 20):
                await client.say(s16le(said(level)))
                final = (await client.until("final"))[-1]
                assert final["reason"] == "vad"
                texts.append(final["text"])
            return texts

    async def realtime_client(service: AppServer) -> list[str]:
        async with service.dial("/v1/realtime?intent=transcription") as client:
            texts = []
            for level in (10, 20):
                data = base64.b64encode(media.encode(said(level), PCM_24K)).decode()
                await client.tell("input_audio_buffer.append", audio=data)
                events = await client.until(COMPLETED)
                assert of(events, "input_audio_buffer.speech_stopped")
                texts.append(events[-1]["transcript"])
            return texts

    async def speaker(service: AppServer) -> list[str]:
        async with service.dial("/ws/subtitle?language=en") as client:
            texts = []
            for level in (10, 20):
                await client.say(s16le(said(level)))
                while not (caption := await client.hear())["final"]:
                    pass
                texts.append(caption["text"])
            return texts

    async with app_server(no_sound_s=0.2) as service:
        told = await asyncio.gather(
            *(c(service) for c in (native_client, realtime_client, speaker))
        )
    assert [[levels(text) for text in texts] for texts in told] == [[{10}, {20}]] * 3


@dataclass
class Watched:
    """A `LiveDecoder` and `LiveSound` that notes its threads, what it is given, what it gives."""

    threads: set[str] = field(default_factory=set)
    sizes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    sound: LiveSound | None = None

    def open(self, audio_format: AudioFormat) -> LiveSound:
        return Watched(self.threads, self.sizes, self.seconds, AvLiveDecoder().open(audio_format))

    def push(self, data: bytes) -> Samples:
        self.threads.add(threading.current_thread().name)
        self.sizes.append(len(data))
        sound = self._made.push(data)
        self.seconds.append(len(sound) / media.RATE)
        return sound

    def finish(self) -> Samples:
        self.threads.add(threading.current_thread().name)
        return self._made.finish()

    @property
    def pending(self) -> bool:
        return self._made.pending

    @property
    def incomplete_bytes(self) -> int:
        return self._made.incomplete_bytes

    @property
    def received(self) -> Received:
        return self._made.received

    def settle(self) -> Received:
        return self._made.settle()

    def close(self) -> None:
        self._made.close()

    @property
    def _made(self) -> LiveSound:
        assert self.sound is not None
        return self.sound


@pytest.mark.parametrize("speak", DIALECTS)
async def test_decoding_never_runs_on_the_event_loop(speak: Speak) -> None:
    decoder = Watched()
    async with app_server(decoder=decoder) as service:
        (text,) = await speak(service, np.concatenate([said(10), silence()]))
        pool = {thread.name for thread in service.stack.pool._threads}
    assert levels(text) == {10}
    assert decoder.threads
    assert decoder.threads <= pool


async def test_large_messages_are_decoded_in_steps() -> None:
    decoder = Watched()
    async with app_server(decoder=decoder) as service, service.begun() as client:
        await client.socket.send(s16le(said(10, 10.0)))
        await client.tell("eof")
        await client.rest()
    assert max(decoder.sizes) == 16 << 10
    assert sum(decoder.sizes) == 320_000


@pytest.mark.parametrize("path", ["/v1/stream", "/ws/subtitle?encoding="])
@pytest.mark.parametrize("encoding", ["ogg", "webm"])
async def test_a_message_that_holds_hours_ends_at_the_limit(path: str, encoding: str) -> None:
    """Packets of two bytes with two empty frames: 120 ms of silence each."""
    model = media.recorded(said(10), encoding)
    data = hostile.packed([b"\x1b\x02"] * 20_000, encoding, model)
    decoder = Watched()
    async with app_server(decoder=decoder, max_seconds=60.0) as service:
        async with service.dial(path + encoding if "=" in path else path) as client:
            if "=" not in path:
                await client.tell("start", encoding=encoding)
                await client.until("ready")
            await client.socket.send(data)
            events, close = await client.rest()
        assert of(events, "error")[0]["error"]["code"] == "audio_too_long"
        assert close == 1008
        assert [levels(text) for text in await native(service, said(20))] == [{20}]
    assert max(decoder.seconds) < 15.0
    assert 50.0 < sum(decoder.seconds) < 80.0


async def test_all_protocols_at_once_and_every_client_gets_its_own() -> None:
    speakers = [(speak, level) for level, speak in enumerate(DIALECTS * 3, 1)]
    async with (
        app_server(max_sessions=20) as service,
        service.dial("/ws/subtitle?room=hall&role=viewer") as viewer,
    ):

        async def in_hall(service: AppServer, sound: media.Samples) -> list[str]:
            return await captions(service, sound, "&room=hall")

        def turns(level: int) -> media.Samples:
            return np.tile(np.concatenate([said(10 * level), silence()]), 4)

        texts = await asyncio.gather(
            *(speak(service, turns(level)) for speak, level in speakers),
            in_hall(service, np.tile(np.concatenate([said(5), silence()]), 4)),
        )
        seen = [e["text"] for e in of(await viewer.until("end"), "caption") if e["final"]]
        await until(lambda: (service.live.running, service.stack.admissions) == (0, 0))
    *others, hall = texts
    for (_, level), got in zip(speakers, others, strict=True):
        assert [levels(text) for text in got] == [{10 * level}] * 4
    assert hall == seen
    assert {word for text in seen for word in text.split()} == {"t5"}
