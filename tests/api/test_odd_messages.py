"""Text messages whose values are odd: each is an answer or an error event, never a traceback."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import product

import pytest
from pydantic import BaseModel

from tests.support.app_server import AppServer, Json, app_server, heard, of, s16le
from tests.support.live_stack import said
from zhiyin.access.ws.json_messages import MAX_CHARS
from zhiyin.access.ws.native.schemas import Resume, Start
from zhiyin.access.ws.realtime.schemas import (
    FlatSession,
    Format,
    Input,
    NoiseReduction,
    Session,
    Transcription,
    TurnDetection,
)

ODD = [
    "NaN", "Infinity", "-Infinity", "1e400", "1e-400", "-0.0", "1.5", "9" * 300, "9" * 5000,
    "-9223372036854775809", "true", "false", "null", r'"\ud800"', r'"\udc00\ud800"', r'"\u0000"',
    r'"\uffff"', '""', '"x"', '"１２"', "[]", "{}", "[[]]", '{"a": {}}', r'["\ud800"]',
    r'{"\ud800": 1}', "[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900, "[" * 5000,
    '{"a":' * 5000, "[" + "{}," * 6000 + "{}]", "[1 2]", "'x'",
]  # fmt: skip
"""JSON values, more or less."""

NESTED: list[tuple[str, type[BaseModel]]] = [
    ("{}", Session), ('{{"audio": {{"input": {}}}}}', Input),
    ('{{"audio": {{"input": {{"format": {}}}}}}}', Format),
    ('{{"audio": {{"input": {{"transcription": {}}}}}}}', Transcription),
    ('{{"audio": {{"input": {{"turn_detection": {}}}}}}}', TurnDetection),
    ('{{"audio": {{"input": {{"noise_reduction": {}}}}}}}', NoiseReduction),
    ("{}", FlatSession),
]  # fmt: skip
KINDS = ("session.update", "input_audio_buffer.append", "input_audio_buffer.clear")
REALTIME = "/v1/realtime?intent=transcription"


@pytest.fixture
async def service(caplog: pytest.LogCaptureFixture) -> AsyncIterator[AppServer]:
    async with app_server() as made:
        yield made
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(("kind", "model"), [("start", Start), ("resume", Resume)])
async def test_native_beginnings(service: AppServer, kind: str, model: type[BaseModel]) -> None:
    for field, value in product(model.model_fields, ODD):
        async with service.dial() as client:
            await client.socket.send(f'{{"session_id": "x", "type": "{kind}", "{field}": {value}}}')
            first = await client.hear()
        assert first["type"] == "error", first
    for field, value in product(Start.model_fields, ODD if kind == "start" else []):
        async with service.dial() as client:
            await client.socket.send(f'{{"type": "start", "{field}": {value}}}')
            first = await client.hear()
        assert first["type"] in ("ready", "error"), first


async def test_native_messages(service: AppServer) -> None:
    async with service.begun() as client:
        await client.say(s16le(said(10)))
        for value in [*ODD, '"' + "x" * MAX_CHARS + '"']:  # the last ends the session
            for message in (f'{{"type": {value}}}', f'{{"type": "ping", "a": {value}}}', value):
                await client.socket.send(message)
                await client.until("error")
                if len(value) > MAX_CHARS:
                    break
        events, _ = await client.rest()
    assert set(heard(events)) == {"t10"}


async def test_realtime_messages(service: AppServer) -> None:
    fields = [
        shape.format(f'{{"{field.alias or name}": VALUE}}')
        for shape, model in NESTED
        for name, field in model.model_fields.items()
    ]
    async with service.dial(REALTIME) as client:
        await client.until("session.created")
        for value in [*ODD, '"' + "x" * MAX_CHARS + '"']:
            for session in fields:
                message = f'{{"type": "session.update", "session": {session}}}'
                await client.socket.send(message.replace("VALUE", value))
            for kind, field in product(KINDS, ("event_id", "type", "audio", "session")):
                await client.socket.send(f'{{"type": "{kind}", "{field}": {value}}}')
            await client.socket.send(value)
            await client.tell("nothing", event_id="after")
            error: Json = {}
            while error.get("event_id") != "after":
                error = (await client.until("error"))[-1]["error"]
            assert error["code"] == "invalid_value"


async def test_speakers_of_captions(service: AppServer) -> None:
    for value, shape in product(ODD, ("{}", '{{"type": {}}}', '{{"type": "eof", "a": {}}}')):
        message = shape.format(value)
        async with service.dial("/ws/subtitle?language=en") as client:
            await client.say(s16le(said(10)))
            await client.socket.send(message)
            events, close = await client.rest()
        assert events[-1]["type"] in ("error", "end")
        assert close in (1000, 1008, 1009)
        assert [e["text"] for e in of(events, "caption") if e["final"]]


@pytest.mark.parametrize("field", ["threshold", "prefix_padding_ms", "silence_duration_ms"])
async def test_true_is_no_number(service: AppServer, field: str) -> None:
    session = {"audio": {"input": {"turn_detection": {field: True}}}}
    async with service.dial(REALTIME) as client:
        await client.tell("session.update", session=session)
        error = (await client.until("error"))[-1]["error"]
    assert error["code"] == "invalid_value"
    assert error["param"] == f"session.audio.input.turn_detection.{field}"
    assert json.dumps(error)
