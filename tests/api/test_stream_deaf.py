"""Clients of the native protocol that don't read what they are sent."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import numpy as np

from tests.support.app_server import AppServer, Client, app_server, heard, numbered, s16le
from tests.support.live_stack import said, silence
from tests.support.waiting import until

TURN = np.concatenate([said(10), silence()])


async def assert_well(service: AppServer) -> None:
    """Another client gets its text."""
    assert set(heard(await service.talk(TURN))) == {"t10"}


def deaf(service: AppServer) -> Any:
    """A connection with little room between the client and the server."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect(("127.0.0.1", int(service.url.rpartition(":")[2])))
    small.setblocking(False)
    # Without pings of its own: who does not read gets no pongs, and would end the connection.
    return service.dial(sock=small, max_queue=1, ping_interval=None)


async def test_who_never_reads_answers_is_let_go() -> None:
    async with app_server() as service, deaf(service) as client:
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
        (connection,) = service.connections  # else megabytes of events lie in its buffer first
        sending_socket = connection.transport.get_extra_info("socket")
        sending_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        turn = s16le(np.concatenate([said(10, 3.0), silence()]))
        sending = asyncio.create_task(client.say(turn * 2_000, 64_000))
        await until(lambda: service.session_table.size == 0, 150)
        await assert_well(service)
        events, close = await client.rest()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert events[-1]["error"]["code"] == "too_slow"
        assert close == 1013
        lasting = numbered(events)
        assert lasting == list(range(1, len(lasting) + 1))
        assert service.stack.admissions == 0
