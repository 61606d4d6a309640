"""Speakers and viewers of `/ws/subtitle` for the real server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import ClientConnection

from tests.support.server import Server
from tests.support.valkey import Valkey

Wire = list[dict[str, Any]]


def address(server: Server, query: str = "") -> str:
    return server.url.replace("http:", "ws:") + "/ws/subtitle" + query


async def read_until(socket: ClientConnection, kind: str) -> Wire:
    wire: Wire = []
    async with asyncio.timeout(120):
        while not wire or wire[-1]["type"] != kind:
            wire.append(json.loads(await socket.recv()))
    return wire


def finals(wire: Wire) -> list[str]:
    return [e["text"] for e in wire if e["type"] == "caption" and e["final"]]


def shared_rooms(valkey: Valkey) -> dict[str, str]:
    return {
        "ZHIYIN_CAPTIONS__URL": valkey.url,
        "ZHIYIN_CAPTIONS__LEASE_S": "3",
        "ZHIYIN_CAPTIONS__TIMEOUT_S": "0.5",
        "ZHIYIN_ENGINE__THREADS": "1",
    }
