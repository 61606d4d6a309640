"""Everything that a client of the native protocol can do wrong, and that nobody suffers from it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support import media
from tests.support.app_server import AppServer, Client, Json, app_server, heard, numbered, of, s16le
from tests.support.live_stack import gated, said, silence
from tests.support.waiting import until
from zhiyin.core.segmentation.endpointing import FRAME_S

TURN = np.concatenate([said(10), silence()])

BEFORE: list[tuple[str, str | bytes, str | None, str]] = [
    ("sound first", b"\0\0" * 160, None, "not_started"),
    ("no json", "hello", None, "invalid_json"),
    ("json list", "[1]", None, "invalid_json"),
    ("null", "null", None, "invalid_json"),
    ("deep json", "[" * 50_000, None, "invalid_json"),
    ("half a character", r'{"type": "start", "\ud800": 1}', None, "invalid_json"),
    ("half a prompt", r'{"type": "start", "prompt": "\ud800"}', None, "invalid_json"),
    ("no type", "{}", "type", "missing_required_parameter"),
    ("odd type", '{"type": {"a": 1}}', "type", "not_started"),
    ("commit first", '{"type": "commit"}', "type", "not_started"),
    ("unknown session", '{"type": "resume", "session_id": "live_x", "last_event": 0}',
     "session_id", "session_not_found"),
    ("resume without session", '{"type": "resume"}', "session_id", "missing_required_parameter"),
    ("resume with more", '{"type": "resume", "session_id": "x", "a": 1}', "a", "unknown_parameter"),
]  # fmt: skip
FIELDS: list[tuple[str, object, str]] = [
    ("colour", "red", "unknown_parameter"),
    ("script", "cursive", "invalid_value"),
    ("scripts", "simplified", "unknown_parameter"),
    ("encoding", "mp3", "invalid_value"),
    ("encoding", None, "invalid_value"),
    ("sample_rate", "16000", "invalid_value"),
    ("sample_rate", 1, "invalid_value"),
    ("sample_rate", 1e9, "invalid_value"),
    ("sample_rate", True, "invalid_value"),
    ("words", "yes", "invalid_value"),
    ("partials", 1, "invalid_value"),
    ("silence_ms", 5, "invalid_value"),
    ("silence_ms", 5001, "invalid_value"),
    ("silence_ms", "500", "invalid_value"),
    ("prefix_padding_ms", -1, "invalid_value"),
    ("threshold", 2, "invalid_value"),
    ("threshold", float("nan"), "invalid_value"),
    ("prompt", "x" * 3000, "invalid_value"),
    ("hotwords", "x" * 3000, "invalid_value"),
    ("hotwords", ["x" * 999, "y"], "invalid_value"),
    ("hotwords", [1], "invalid_value"),
    ("language", "qq", "invalid_language"),
    ("language", 7, "invalid_value"),
    ("model", "nobody", "model_not_found"),
]
AFTER: list[tuple[str, str, str | None, str]] = [
    ("bad json", "{", None, "invalid_json"),
    ("a number", "1", None, "invalid_json"),
    ("half a character", r'{"type": "\ud800"}', None, "invalid_json"),
    ("unknown word", '{"type": "dance"}', "type", "invalid_value"),
    ("no word", '{"a": 1}', "type", "missing_required_parameter"),
    ("unknown field", '{"type": "commit", "now": true}', "now", "unknown_parameter"),
    ("second start", '{"type": "start"}', "type", "started_already"),
    ("resume", '{"type": "resume", "session_id": "x"}', "type", "started_already"),
    ("sound as text", "AAAA" * 400, None, "invalid_json"),
]


@pytest.fixture
async def service() -> AsyncIterator[AppServer]:
    async with app_server() as made:
        yield made


def assert_error(event: Json, param: str | None, code: str) -> None:
    assert event["type"] == "error", event
    error = event["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"].endswith("_error")
    assert len(error["message"]) > 10
    assert "Traceback" not in error["message"]
    assert "Value error" not in error["message"]


async def assert_well(service: AppServer) -> None:
    """Another client gets its text, and nothing was logged as broken."""
    assert set(heard(await service.talk(TURN))) == {"t10"}


@pytest.mark.parametrize("case", BEFORE, ids=lambda c: c[0])
async def test_a_wrong_beginning_is_explained(
    service: AppServer, case: tuple[str, str | bytes, str | None, str]
) -> None:
    _, message, param, code = case
    async with service.dial() as client:
        await client.socket.send(message)
        events, close = await client.rest()
    assert len(events) == 1
    assert_error(events[0], param, code)
    assert (close, client.socket.close_reason) == (1008, code)
    assert service.session_table.size == 0


@pytest.mark.parametrize("case", FIELDS, ids=lambda c: f"{c[0]}={str(c[1])[:12]}")
async def test_a_wrong_option_is_named(service: AppServer, case: tuple[str, object, str]) -> None:
    field, value, code = case
    async with service.dial() as client:
        await client.tell("start", **{field: value})
        events, close = await client.rest()
    assert len(events) == 1
    assert_error(events[0], field, code)
    assert close == 1008
    assert (service.session_table.size, service.stack.admissions) == (0, 0)


async def test_a_wrong_message_is_answered_and_forgotten(service: AppServer) -> None:
    async with service.begun() as client:
        await client.say(s16le(said(10, 0.5)))
        for _, message, param, code in AFTER:
            await client.socket.send(message)
            assert_error((await client.until("error"))[-1], param, code)
        await client.say(s16le(said(20, 0.5)))
        await client.tell("ping")
        await client.until("pong")
        await client.tell("eof")
        events, close = await client.rest()
    assert set(heard(events)) == {"t10", "t20"}
    assert events[-1]["type"] == "done"
    assert close == 1000


@pytest.mark.parametrize("message", ['{"type": "ping"}', "AAAA" * 100])
async def test_many_messages_at_once_are_all_answered(service: AppServer, message: str) -> None:
    """As they lie in the socket after the engine has held the sound up; who reads isn't slow."""
    async with service.begun() as client:
        await client.say(s16le(said(10)))
        for _ in range(1000):
            await client.socket.send(message)
        await client.tell("eof")
        events, close = await client.rest()
    assert len(of(events, "pong") + of(events, "error")) == 1000
    assert set(heard(events)) == {"t10"}
    assert (events[-1]["type"], close) == ("done", 1000)


@pytest.mark.parametrize("size", [1_500_000, 10 << 20])
@pytest.mark.parametrize("text", [False, True])
async def test_a_large_message_ends_the_sound_but_not_the_text(
    service: AppServer, size: int, text: bool
) -> None:
    async with service.begun() as client:
        await client.say(s16le(said(10)))
        await client.socket.send("x" * size if text else bytes(size))
        events, close = await client.rest()
    assert_error(of(events, "error")[0], None, "message_too_large")
    assert set(heard(events)) == {"t10"}
    assert events[-1]["type"] == "done"
    assert close == 1009
    await assert_well(service)


async def test_a_message_beyond_all_bounds_closes(service: AppServer) -> None:
    async with service.begun() as client:
        with suppress(ConnectionClosed):  # while it is being sent
            await client.socket.send(bytes(40 << 20))
        assert (await client.rest())[1] == 1009
    await assert_well(service)


async def test_text_that_is_no_utf8_closes(service: AppServer) -> None:
    async with service.begun() as client:
        await client.socket.send(b"\xff\xfe", text=True)
        assert (await client.rest())[1] == 1007
    await assert_well(service)


async def test_rubbish_frames_close(service: AppServer) -> None:
    async with service.begun() as client:
        client.socket.transport.write(np.random.default_rng(3).bytes(1000))
        assert (await client.rest())[1] in (1002, 1006, 1007, 1009)
    await assert_well(service)


@pytest.mark.parametrize("size", [1, 3, 7, 3201])
async def test_odd_byte_counts_are_put_together(service: AppServer, size: int) -> None:
    data = s16le(said(10, 0.3) if size == 1 else TURN)
    async with service.begun() as client:
        await client.say(data, size)
        await client.socket.send(b"")
        await client.tell("eof")
        events, close = await client.rest()
    assert set(heard(events)) == {"t10"}
    assert events[-1]["received_s"] == pytest.approx(len(data) / 32_000, abs=0.033)
    assert close == 1000


async def test_half_a_sample_at_the_end_is_a_warning(service: AppServer) -> None:
    async with service.begun() as client:
        await client.say(s16le(TURN) + b"\1")
        await client.tell("eof")
        events, _ = await client.rest()
    assert [w["code"] for w in of(events, "warning")] == ["incomplete_sample"]
    assert set(heard(events)) == {"t10"}


@pytest.mark.parametrize("encoding", ["webm", "ogg"])
@pytest.mark.parametrize("size", [3, 9999])
async def test_rubbish_as_a_container(service: AppServer, encoding: str, size: int) -> None:
    async with service.begun(encoding=encoding) as client:
        await client.say(np.random.default_rng(1).bytes(size))
        await client.tell("eof")
        events, close = await client.rest()
    assert_error(of(events, "error")[0], "encoding", "undecodable_audio")
    assert events[-1]["type"] == "done"
    assert close == 1007


@pytest.mark.parametrize("encoding", ["webm", "ogg"])
async def test_a_container_that_ends_in_its_head_is_named(
    service: AppServer, encoding: str
) -> None:
    head = media.recorded(said(10), encoding)[:50]
    async with service.begun(encoding=encoding) as client:
        await client.socket.send(head)
        await client.tell("eof")
        events, close = await client.rest()
    assert [e["type"] for e in events] == ["error", "done"]
    assert_error(events[0], "encoding", "undecodable_audio")
    assert (close, client.socket.close_reason) == (1007, "undecodable_audio")


@pytest.mark.parametrize("size", [1, 3, 4, 5, 3201, 1 << 20])
async def test_a_file_sent_as_raw_samples_is_named(service: AppServer, size: int) -> None:
    """Once, and nothing else is complained of."""
    data = media.wav(media.samples("en_short"))
    async with service.begun() as client:
        with suppress(ConnectionClosed):
            await client.say(data[: 40 * size], size)
        events, close = await client.rest()
    assert [e["type"] for e in events] == ["error", "done"]
    assert_error(events[0], "encoding", "undecodable_audio")
    assert close == 1007


async def test_a_message_that_was_too_large_leaves_no_half_sample(service: AppServer) -> None:
    async with service.begun() as client:
        await client.socket.send(s16le(said(10)) + b"\1")
        await client.socket.send(bytes(1_500_001))
        events, close = await client.rest()
    assert not of(events, "warning")
    assert (set(heard(events)), close) == ({"t10"}, 1009)


async def test_what_follows_the_end_is_refused(service: AppServer) -> None:
    async with service.begun() as client:
        for message in (s16le(TURN), '{"type": "eof"}', s16le(TURN), '{"type": "eof"}'):
            await client.socket.send(message)
        events, close = await client.rest()
    errors = [e["error"]["code"] for e in of(events, "error")]
    assert errors in (["after_eof"], []), "the end may have come first"
    assert len(of(events, "final")) == 1
    assert close == 1000


async def test_who_says_nothing_is_sent_away() -> None:
    async with app_server(idle_s=0.2) as service:
        async with service.dial() as client:
            events, close = await client.rest()
        assert_error(events[0], None, "session_expired")
        assert close == 1008
        async with service.begun() as client:
            await client.say(s16le(said(10)))
            events, close = await client.rest()
        assert_error(of(events, "error")[0], None, "session_expired")
        assert set(heard(events)) == {"t10"}
        assert (events[-1]["type"], close) == ("done", 1008)


async def test_pings_are_answered_while_sound_waits() -> None:
    """Many clients hang up when they are not; this one sends faster than it is heard."""
    engine, gate = gated()
    async with app_server(engine, max_waiting_s=1.0) as service, service.begun() as client:
        await client.say(s16le(said(10, 60.0)), 320_000)
        async with asyncio.timeout(60):
            await (await client.socket.ping())
        gate.set()
        await client.socket.send('{"type": "eof"}')
        told = await client.until("done")
    assert {*heard(told)} == {"t10"}


async def test_a_session_that_lasts_too_long_gives_its_tail() -> None:
    async with app_server(max_seconds=3.0) as service, service.begun() as client:
        await client.say(s16le(said(10, 3.5)), 3201)
        events, close = await client.rest()
        assert_error(of(events, "error")[0], None, "audio_too_long")
        assert not of(events, "warning")
        assert set(heard(events)) == {"t10"}
        assert events[-1]["received_s"] <= 3.0 + FRAME_S  # the last frame is filled up
        assert (events[-1]["type"], close) == ("done", 1008)


async def test_too_many_sessions_are_told_to_come_back() -> None:
    async with app_server(max_sessions=2) as service, service.begun() as first, service.begun():
        async with service.dial() as third:
            await third.tell("start")
            events, close = await third.rest()
        assert_error(events[0], None, "overloaded")
        assert events[0]["error"]["type"] == "rate_limit_error"
        assert close == 1013
        await first.tell("eof")
        await first.rest()
        await assert_well(service)


async def test_stopping_lets_clients_know() -> None:
    async with app_server() as service:
        stays, breaks = await service.call(), await service.call()
        for client in (stays, breaks):
            await client.tell("start")
            await client.hear()
            await client.say(s16le(said(10)))
        breaks.cut()
    assert (await stays.rest())[1] == 1012


def deaf(service: AppServer) -> Any:
    """A connection with little room between the client and the server."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect(("127.0.0.1", int(service.url.rpartition(":")[2])))
    small.setblocking(False)
    return service.dial(sock=small, max_queue=1)


async def test_who_never_reads_answers_is_let_go(service: AppServer) -> None:
    async with deaf(service) as client:
        await client.tell("start", language="en")
        await client.hear()
        sending = asyncio.create_task(shout(client, 20_000))
        await until(lambda: service.session_table.size == 0)
        await assert_well(service)
        events, close = await client.rest()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert events[-1]["error"]["code"] == "too_slow"
    assert close == 1013
    assert service.stack.admissions == 0


async def shout(client: Client, times: int) -> None:
    for _ in range(times):
        await client.tell("what?" * 20)


async def test_who_never_reads_finals_is_let_go_and_none_was_dropped() -> None:
    async with app_server(max_events=40) as service, deaf(service) as client:
        await client.tell("start", language="en", words=True)
        await client.hear()
        turn = s16le(np.concatenate([said(10, 3.0), silence()]))
        sending = asyncio.create_task(client.say(turn * 2_000, 64_000))
        await until(
            lambda: service.session_table.size == 0, 150
        )  # megabytes lie in the sockets first
        await assert_well(service)
        events, close = await client.rest()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert events[-1]["error"]["code"] == "too_slow"
        assert close == 1013
        lasting = numbered(events)
        assert lasting == list(range(1, len(lasting) + 1))
        assert service.stack.admissions == 0


async def test_wild_clients_do_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    """Random messages from many, while one talks."""

    async def wild(service: AppServer, seed: int) -> int | None:
        chance = np.random.default_rng(seed)
        async with service.dial() as client:
            if chance.integers(0, 2):
                await client.tell("start", encoding=str(chance.choice(["webm", "f32le", "ogg"])))
            for _ in range(int(chance.integers(1, 9))):
                noise = chance.bytes(int(chance.integers(0, 9000)))
                words: list[str | bytes] = ["{}", "[]", '{"type": "commit"}', noise, noise]
                with suppress(ConnectionClosed):
                    await client.socket.send(words[int(chance.integers(0, 5))])
            if chance.integers(0, 2):
                client.cut()
            with suppress(ConnectionClosed):
                await client.tell("eof")
            return (await client.rest())[1]

    async with app_server(grace_s=0.0) as service:
        events, *codes = await asyncio.gather(
            service.talk(np.tile(TURN, 20)), *(wild(service, seed) for seed in range(40))
        )
        assert isinstance(events, list)
        assert len(of(events, "final")) == 20
        assert set(codes) <= {1000, 1006, 1007, 1008}
        await until(lambda: service.session_table.size == 0)
        assert service.stack.admissions == 0
    assert not [r for r in caplog.records if r.levelname == "ERROR"]
