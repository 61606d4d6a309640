"""Connections that break: the session goes on with nothing lost or doubled, or leaves nothing."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from tests.support import media
from tests.support.app_server import AppServer, Client, Json, app_server, heard, numbered, of, s16le
from tests.support.live_stack import gated, live_stack, said, silence
from tests.support.waiting import until
from zhiyin.access.ws.native.connection import Connection
from zhiyin.access.ws.native.event_log import EventLog
from zhiyin.access.ws.native.resumable import ResumableSession
from zhiyin.access.ws.native.schemas import Start
from zhiyin.access.ws.native.sessions import SessionTable
from zhiyin.core.live.live_session import LiveSession
from zhiyin.core.live.session import Session, SessionPolicy
from zhiyin.core.segmentation.endpointing import EndpointPolicy
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import InvalidRequest

TURN = np.concatenate([said(10), silence()])
SPEECH = np.concatenate(
    [part for level in range(10, 60, 10) for part in (said(level, 1.3), silence(0.7))]
)
PROMPT = SessionPolicy(endpoint=EndpointPolicy(patience_s=0.0))
"""Segments end where their silence is long enough, however long a final takes."""


def told(events: list[Json]) -> list[tuple[str, float, float]]:
    return [(e["text"], e["start"], e["end"]) for e in of(events, "final")]


async def resumed(client: Client, ready: Json, events: list[Json]) -> Json:
    """Go on where the events end."""
    last = max([0, *numbered(events)])
    await client.tell("resume", session_id=ready["session_id"], last_event=last)
    again = await client.hear()
    assert again["type"] == "ready", again
    assert again["session_id"] == ready["session_id"]
    return again


async def broken_up(
    service: AppServer, data: bytes, cuts: list[int], **start: Any
) -> tuple[list[Json], list[Json]]:
    """Send it all over connections that break after so many bytes; the events and greetings."""
    events: list[Json] = []
    place = 0
    async with service.begun(**start) as first:
        client, greetings = first, [first.ready]
        for cut in cuts:
            await client.say(data[place : place + cut], 1001)
            await client.tell("ping")
            events += (await client.until("pong"))[:-1]
            client.cut()
            client = await service.call()
            greetings.append(await resumed(client, first.ready, events))
            place = greetings[-1]["received_bytes"]
        await client.say(data[place:])
        await client.tell("eof")
        events += (await client.rest())[0]
        await client.socket.close()
    return events, greetings


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 60_000), min_size=1, max_size=5))
async def test_nothing_is_lost_and_nothing_comes_twice(cuts: list[int]) -> None:
    async with app_server(policy=PROMPT) as service:
        whole = await service.talk(SPEECH)
        events, greetings = await broken_up(service, s16le(SPEECH), cuts)
    assert told(events) == told(whole)
    assert numbered(events) == list(range(1, len(numbered(events)) + 1))
    assert events[-1] == whole[-1]
    for ready in greetings:
        assert ready["received_s"] == pytest.approx(ready["received_bytes"] / 32_000, abs=1e-6)


@pytest.mark.parametrize("container", ["webm", "ogg"])
async def test_a_container_goes_on_by_its_bytes(container: str) -> None:
    data = media.recorded(SPEECH, container)
    async with app_server(policy=PROMPT) as service:
        async with service.begun(encoding=container) as client:
            await client.say(data)
            await client.tell("eof")
            whole, _ = await client.rest()
        events, _ = await broken_up(service, data, [1500, 700], encoding=container)
    assert told(events) == told(whole)
    assert len(told(whole)) >= 5


async def test_the_end_can_be_told_again() -> None:
    """The last events may have been lost with the connection."""
    async with app_server() as service:
        async with service.begun() as client:
            await client.say(s16le(TURN))
            await client.tell("eof")
            events, _ = await client.rest()
            assert events[-1]["type"] == "done"
        assert service.stack.service.running == 0
        second = await service.call()
        await resumed(second, client.ready, [])
        await second.tell("eof")
        told_again, close = await second.rest()
        assert told_again == [e for e in events if "event" in e]
        assert close == 1000


async def test_a_client_gone_in_mid_word_is_waited_for_and_then_forgotten() -> None:
    async with app_server(grace_s=0.5) as service:
        async with service.begun() as client:
            await client.say(s16le(said(10)))
            await client.tell("ping")
            await client.until("pong")
            client.cut()
        await until(lambda: service.session_table._waiting)
        assert service.stack.admissions == 1
        await until(lambda: service.session_table.size == 0)
        await until(lambda: service.stack.admissions == 0)
        second = await service.call()
        await second.tell("resume", session_id=client.ready["session_id"], last_event=0)
        events, close = await second.rest()
        assert events[0]["error"]["code"] == "session_not_found"
        assert close == 1008


async def test_events_that_never_were_are_refused() -> None:
    async with app_server() as service:
        async with service.begun() as client:
            client.cut()
        second = await service.call()
        await second.tell("resume", session_id=client.ready["session_id"], last_event=99)
        events, close = await second.rest()
        assert (events[0]["error"]["param"], close) == ("last_event", 1008)
        third = await service.call()
        await resumed(third, client.ready, [])
        await third.socket.close()


async def test_events_that_are_gone_are_refused() -> None:
    async with app_server(max_events=10) as service:
        async with service.begun() as client:
            for _ in range(8):
                await client.say(s16le(TURN))
                await client.until("final")
            client.cut()
        second = await service.call()
        await second.tell("resume", session_id=client.ready["session_id"], last_event=1)
        events, _ = await second.rest()
        assert events[0]["error"]["code"] == "events_lost"


async def test_another_connection_takes_over() -> None:
    async with app_server() as service, service.begun() as first:
        await first.say(s16le(said(10)))
        await first.tell("ping")
        events = await first.until("pong")
        second = await service.call()
        await resumed(second, first.ready, events)
        lost, close = await first.rest()
        assert lost[-1]["error"]["code"] == "session_taken"
        assert close == 4409
        await second.say(s16le(said(20)))
        await second.tell("eof")
        rest, close = await second.rest()
        assert (set(heard(rest)), close) == ({"t10", "t20"}, 1000)


async def test_of_many_who_go_on_at_once_the_last_misses_nothing() -> None:
    """As a client does that is impatient with a slow network."""
    async with app_server() as service:
        async with service.begun() as client:
            await client.say(s16le(np.concatenate([TURN] * 3)))
            for _ in range(3):
                await client.until("final")
            client.cut()
        resume = {"session_id": client.ready["session_id"], "last_event": 0}
        clients = [await service.call() for _ in range(8)]
        for one in clients:
            await one.tell("resume", **resume)
        for one in clients:
            with suppress(ConnectionClosed):
                await one.tell("eof")
        told_all = [e for e, close in [await one.rest() for one in clients] if close == 1000]
        assert told_all
        for events in told_all:
            assert numbered(events) == list(range(1, 11))


async def test_a_partial_is_shown_to_who_comes_back() -> None:
    async with app_server() as service:
        async with service.begun(partials=True) as client:
            await client.say(s16le(said(10)))
            partial = (await client.until("partial"))[-1]
            client.cut()
        second = await service.call()
        await resumed(second, client.ready, [])
        assert of(await second.until("partial"), "partial")[0]["stable"] == partial["stable"]
        await second.socket.close()


async def test_sound_under_way_when_the_connection_breaks_is_taken_whole() -> None:
    """While the engine holds it up; whoever comes back waits for that."""
    engine, gate = gated()
    async with app_server(engine, max_waiting_s=2.0) as service:
        data = s16le(np.concatenate([TURN] * 6))
        async with service.begun() as client:
            await client.socket.send(data)
            held = next(iter(service.session_table._sessions.values()))
            await until(lambda: held._live._session.waiting_s > 2.0)
            client.cut()
        second = await service.call()
        last = {"session_id": client.ready["session_id"], "last_event": 0}
        await second.tell("resume", **last)
        await until(lambda: held._attachment is not None)
        gate.set()
        ready = await second.hear()
        assert ready["received_bytes"] == len(data)
        await second.tell("eof")
        events, _ = await second.rest()
        assert len(of(events, "final")) == 6


KINDS = (ResumableSession, LiveSession, Session, EventLog, Connection)


def alive() -> list[str]:
    return [type(o).__name__ for o in gc.get_objects() if issubclass(type(o), KINDS)]


async def come_and_go(service: AppServer, number: int) -> None:
    """One of a thousand: politely, rudely, in mid-word, before it began."""
    encoding = ("s16le", "webm", "ogg", "mulaw")[number % 4]
    async with service.dial() as client:
        await client.tell("start", encoding=encoding)
        if number % 5:
            await client.hear()
        with suppress(ConnectionClosed):  # what was sent is no webm
            if number % 3:
                await client.say(s16le(said(10, 0.2)))
            if number % 7 == 0:
                client.cut()
            elif number % 2:
                await client.tell("eof")
                await client.rest()


async def test_a_thousand_sessions_leave_nothing() -> None:
    async with app_server(grace_s=0.0) as service:
        await service.talk(TURN)
        gc.collect()
        tasks, before = len(asyncio.all_tasks()), len(alive())
        for first in range(0, 1000, 20):
            await asyncio.gather(*(come_and_go(service, first + i) for i in range(20)))
        await until(lambda: service.session_table.size == 0)
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        await until(lambda: gc.collect() is not None and len(alive()) <= before)
        assert (service.stack.service.running, service.stack.admissions) == (0, 0)
        await until(lambda: not [t for t in threading.enumerate() if "demux" in t.name])
        assert set(heard(await service.talk(TURN))) == {"t10"}


async def test_a_session_is_resumed_by_its_owner_only() -> None:
    """Whoever knows its id all the same."""
    async with live_stack() as stack:
        sessions = SessionTable(stack.service, grace_s=30.0)
        session = await sessions.open(Start(type="start"), Caller(owner="alice"))
        for owner in ("bob", "", "anonymous"):
            with pytest.raises(InvalidRequest) as refused:
                sessions.find(session.id, 0, owner)
            assert refused.value.code == "session_not_found"
        assert sessions.find(session.id, 0, "alice") is session
        sessions.drop(session)
        await until(lambda: stack.service.running == 0)
