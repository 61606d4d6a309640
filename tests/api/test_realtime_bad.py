"""What a Realtime client can do wrong, around the scripted engine; see `test_realtime_wire.py`."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support import media
from tests.support.app_server import AppServer, Client, Json, app_server, of
from tests.support.live_stack import gated, said, silence
from tests.support.waiting import until
from zhiyin.access.ws.realtime.connection import Connection
from zhiyin.access.ws.realtime.send_queue import SendQueue
from zhiyin.core.live.live_session import LiveSession

PATH = "/v1/realtime?intent=transcription"
COMPLETED = "conversation.item.input_audio_transcription.completed"
DELTA = "conversation.item.input_audio_transcription.delta"
MANUAL = {"audio": {"input": {"turn_detection": None}}}


def sound(*parts: media.Samples) -> str:
    """As 24 kHz s16le in base64."""
    form = media.Form("s16le", "pcm_s16le", 24_000)
    return base64.b64encode(media.encode(np.concatenate(parts), form)).decode()


def levels(text: str) -> set[int]:
    """What was said, in tens: resampling moves a level by a little."""
    return {round(int(word[1:]), -1) for word in text.split()}


@asynccontextmanager
async def opened(service: AppServer, **session: Any) -> AsyncIterator[Client]:
    async with service.dial(PATH) as client:
        await client.until("session.created")
        await client.tell("session.update", session={"type": "transcription", **session})
        await client.until("session.updated")
        yield client


async def append(client: Client, *parts: media.Samples) -> None:
    await client.tell("input_audio_buffer.append", audio=sound(*parts))


async def transcript(service: AppServer) -> str:
    """What another client gets."""
    async with opened(service, **MANUAL) as client:
        await append(client, said(10))
        await client.tell("input_audio_buffer.commit")
        text: str = (await client.until(COMPLETED))[-1]["transcript"]
        return text


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("nonsense", "invalid_json"),
        ("[" * 50_000, "invalid_json"),
        (r'{"type": "\ud800"}', "invalid_json"),
        (r'{"type": "x", "event_id": "\ud800"}', "invalid_json"),
        (json.dumps({"type": "session.update", "session": {"audio": {"input": {
            "turn_detection": {"threshold": float("nan")}}}}}), "invalid_value"),
        (json.dumps({"type": "session.update", "session": {"audio": {"input": {
            "transcription": {"prompt": "x" * 3000}}}}}), "invalid_value"),
        (json.dumps({"type": "input_audio_buffer.append", "audio": "\ud800"}), "invalid_value"),
        (json.dumps({"type": ["session.update"]}), "missing_required_parameter"),
        (b"\0\1" * 100, "invalid_event"),
    ],
)  # fmt: skip
async def test_a_mistake_is_answered_and_the_socket_stays(message: str | bytes, code: str) -> None:
    async with app_server() as service, opened(service, **MANUAL) as client:
        await append(client, said(10, 0.5))
        await client.socket.send(message)
        event = (await client.until("error"))[-1]
        assert event["error"]["code"] == code
        await append(client, said(20, 0.5))
        await client.tell("input_audio_buffer.commit")
        assert levels((await client.until(COMPLETED))[-1]["transcript"]) == {10, 20}


async def test_a_message_beyond_all_bounds_closes() -> None:
    async with app_server() as service:
        async with opened(service) as client:
            with suppress(ConnectionClosed):  # while it is being sent
                await client.socket.send("x" * (40 << 20))
            assert (await client.rest())[1] == 1009
        assert levels(await transcript(service)) == {10}


async def test_ten_megabytes_of_sound_are_taken() -> None:
    async with app_server(max_seconds=600.0) as service, opened(service, **MANUAL) as client:
        audio = base64.b64encode(bytes(10 << 20)).decode()
        await client.tell("input_audio_buffer.append", audio=audio)
        await append(client, said(10))
        await client.tell("input_audio_buffer.commit")
        assert levels((await client.until(COMPLETED))[-1]["transcript"]) == {10}


async def test_pings_are_answered_while_sound_waits() -> None:
    """The official client hangs up when they are not."""
    engine, gate = gated()
    async with (
        app_server(engine, max_waiting_s=1.0) as service,
        opened(service, **MANUAL) as client,
    ):
        await append(client, said(10, 60.0))
        await until(lambda: engine.calls)
        for _ in range(2):
            await append(client, said(20, 10.0))
        async with asyncio.timeout(60):
            await (await client.socket.ping())
        gate.set()
        await client.tell("input_audio_buffer.commit")
        assert levels((await client.until(COMPLETED))[-1]["transcript"]) == {10, 20}


async def test_odd_byte_counts_are_put_together() -> None:
    data = base64.b64decode(sound(said(10)))
    async with app_server() as service, opened(service, **MANUAL) as client:
        for at in range(0, len(data), 333):
            piece = base64.b64encode(data[at : at + 333]).decode()
            await client.tell("input_audio_buffer.append", audio=piece)
        await client.tell("input_audio_buffer.commit")
        assert levels((await client.until(COMPLETED))[-1]["transcript"]) == {10}


@pytest.mark.parametrize("more", [b"", b"\1"])
async def test_half_a_sample_before_a_commit(more: bytes) -> None:
    """One stream is cut in the middle of a sample; or a recording has a byte too much."""
    first, second = (base64.b64decode(sound(said(level), silence(0.3))) for level in (10, 20))
    size = len(first) - 1 if not more else len(first)
    parts = (first[:size] + more, first[size:] + bytes(4800), second)
    async with app_server() as service, opened(service, **MANUAL) as client:
        await client.tell("input_audio_buffer.append", audio=base64.b64encode(parts[0]).decode())
        await client.tell("input_audio_buffer.commit")
        for part in parts[1:]:
            await client.tell("input_audio_buffer.append", audio=base64.b64encode(part).decode())
        await client.tell("input_audio_buffer.commit")
        events = [*await client.until(COMPLETED), *await client.until(COMPLETED)]
    assert [levels(e["transcript"]) for e in of(events, COMPLETED)] == [{10}, {20}]


async def test_what_is_cleared_is_not_decoded() -> None:
    """While the engine is busy with another client; not even half a sample stays."""
    engine, gate = gated()
    async with app_server(engine) as service, opened(service, **MANUAL) as other:
        await append(other, said(90))
        await other.tell("input_audio_buffer.commit")
        await until(lambda: engine.calls)
        async with opened(service, **MANUAL) as client:
            await append(client, said(50, 40.0), silence(0.3))
            odd = base64.b64encode(b"\1").decode()
            await client.tell("input_audio_buffer.append", audio=odd)
            await client.tell("input_audio_buffer.clear")
            await client.until("input_audio_buffer.cleared")
            await append(client, said(20))
            await client.tell("input_audio_buffer.commit")
            gate.set()
            events = await client.until(COMPLETED)
        assert levels(events[-1]["transcript"]) == {20}
        assert "".join(e["delta"] for e in of(events, DELTA)) == events[-1]["transcript"]
        loud = {round(float(clip.samples.max()), 1) for clip in service.stack.finals()}
        assert loud == {0.9, 0.2}


async def test_a_clear_while_the_server_finds_turns() -> None:
    async with app_server() as service, opened(service) as client:
        await append(client, said(50), silence(0.2))
        await client.until("input_audio_buffer.speech_started")
        await client.tell("input_audio_buffer.clear")
        await append(client, said(20), silence(1.0))
        events = await client.until(COMPLETED)
        assert levels(events[-1]["transcript"]) == {20}
        assert len(of(events, "input_audio_buffer.committed")) == 1


async def test_who_says_nothing_is_told_and_closed() -> None:
    async with app_server(idle_s=0.3) as service, opened(service, **MANUAL) as client:
        await append(client, said(10))
        events, close = await client.rest()
        assert of(events, "error")[-1]["error"]["code"] == "session_expired"
        assert close == 1008


async def test_who_never_reads_is_let_go() -> None:
    async with app_server(max_events=50) as service:
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.connect(("127.0.0.1", int(service.url.rpartition(":")[2])))
        small.setblocking(False)
        async with service.dial(PATH, sock=small, max_queue=1) as client:
            await append(client, said(10))
            await until(lambda: service.stack.admissions == 1)
            sending = asyncio.create_task(shout(client))
            await until(lambda: service.stack.admissions == 0)
            assert levels(await transcript(service)) == {10}
            events, close = await client.rest()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        assert events[-1]["error"]["code"] == "too_slow"
        assert close == 1013


async def shout(client: Client) -> None:
    for _ in range(20_000):
        await client.tell("what?" * 20)


async def test_clients_that_vanish_leave_nothing() -> None:
    async with app_server() as service:
        await transcript(service)
        tasks, before = len(asyncio.all_tasks()), len(alive())
        for number in range(100):
            async with service.dial(PATH) as client:
                if number % 2:
                    await append(client, said(10, 0.5))
                client.cut()
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        await until(lambda: gc.collect() is not None and len(alive()) <= before)
        await until(lambda: (service.stack.service.running, service.stack.admissions) == (0, 0))
        assert levels(await transcript(service)) == {10}


def alive() -> list[object]:
    kinds = (LiveSession, SendQueue, Connection)
    return [o for o in gc.get_objects() if issubclass(type(o), kinds)]


async def test_an_engine_that_fails_is_an_event() -> None:
    async with app_server() as service, opened(service, **MANUAL) as client:
        service.stack.engine.moods = ["fail"] * 2
        await append(client, said(10, 0.3))
        await client.tell("input_audio_buffer.commit")
        failed: Json = (await client.until(COMPLETED.replace("completed", "failed")))[-1]
        assert failed["error"]["code"] == "engine_failed"
        await append(client, said(20))
        await client.tell("input_audio_buffer.commit")
        assert levels((await client.until(COMPLETED))[-1]["transcript"]) == {20}
