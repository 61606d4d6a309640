"""What the log says, and what it never says, whoever calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.support.log_leaks import SECRET
from tests.support.processes import environment
from zhiyin.access.http.access_log import AccessLog
from zhiyin.access.http.middleware import RequestId
from zhiyin.ops.client_address import truncated
from zhiyin.ops.logging import FIELDS

_HEAD = f"""
import asyncio, gc, logging, sys, threading, warnings
from structlog.contextvars import bind_contextvars
from zhiyin.ops.logging import configure
said = "{SECRET}"
configure(sys.argv[1], sys.argv[2])
ours, uvicorn = logging.getLogger("zhiyin.core"), logging.getLogger("uvicorn.error")
"""
_NASTY = """
bind_contextvars(request_id="req_1")
uvicorn.warning('%s - "WebSocket %s" [accepted], %d seconds', said, said, 4)
uvicorn.warning("%s was asked, %d times", said, 3)
logging.getLogger("aiokafka.conn").error("Unable to connect")
logging.getLogger("alembic.runtime").info("Running upgrade")
uvicorn.error(f"first line\\n{said}")
logging.getLogger("websockets.server").error(f"< TEXT '{said}'")
logging.getLogger("websockets.server").warning("< %s", said, extra={"websocket": said})
logging.getLogger("lib").error("%d", said)
warnings.warn(said)
try:
    try:
        raise KeyError(said)
    except KeyError as error:
        raise ExceptionGroup(said, [ValueError(said)]) from error
except ExceptionGroup:
    ours.exception("it broke")

async def forgotten():
    async def fails():
        raise ValueError(said)
    asyncio.create_task(fails(), name=said)
    await asyncio.sleep(0.01)
    gc.collect()

asyncio.run(forgotten(), debug=True)

def dies():
    raise ValueError(said)

thread = threading.Thread(target=dies)
thread.start()
thread.join()

class Bad:
    def __del__(self):
        raise ValueError(said)

del (bad := [Bad()])[0]
"""


def logged(script: str, level: str = "debug", form: str = "json") -> str:
    """What a process of its own leaves on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", _HEAD + script, level, form],
        capture_output=True, text=True, env=environment(), check=True,
    )  # fmt: skip
    return done.stderr


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("level", ["debug", "warning"])
def test_no_library_and_no_exception_tells_values(level: str, form: str) -> None:
    told = logged(_NASTY, level, form)
    assert SECRET not in told
    for kept in (
        "3 times", "first line", "it broke", "KeyError", "ValueError", "ExceptionGroup", "req_1",
        "Task exception was never retrieved", "fails", "a thread died",
        "an error could not be raised",
    ):  # fmt: skip
        assert kept in told, kept
    for left_out in ("WebSocket", "Unable to connect", "Running upgrade"):
        assert left_out not in told, left_out


def test_libraries_are_silent_below_warnings() -> None:
    told = logged('uvicorn.info("x"); logging.getLogger("h11").debug("y"); ours.debug("z")')
    assert [json.loads(line)["message"] for line in told.splitlines()] == ["z"]


def test_lines_are_json_with_these_fields() -> None:
    told = logged('ours.info("%s %d", "a", 1, extra={"status": 200, "text": said})')
    line = json.loads(told)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "logger": "zhiyin.core", "message": "a 1", "status": 200}


def test_a_connection_that_its_database_broke_is_told_by_its_user_only() -> None:
    script = """
class OperationalError(Exception): ...
for name in ("sqlalchemy.pool.impl.AsyncAdaptedQueuePool", "sqlalchemy.engine"):
    for error in (OperationalError(said), ConnectionResetError(said), ValueError(said)):
        try:
            raise error
        except Exception:
            logging.getLogger(name).error("Exception during reset or similar", exc_info=True)
"""
    told = [json.loads(line) for line in logged(script).splitlines()]
    assert [line["logger"].split(".")[1] for line in told] == ["pool", *["engine"] * 3]
    assert "ValueError" in told[0]["exception"]


def test_the_level_holds_for_ours() -> None:
    assert logged('ours.info("x")', "warning") == ""


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("2001:db8:1:2:3::4", "2001:db8:1::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("fe80::1%eth0", "fe80::"),
        ("somebody", "-"),
        ("", "-"),
    ],
)
def test_addresses_are_cut(address: str, shown: str) -> None:
    assert truncated(address) == shown


async def _answer(request: Request) -> PlainTextResponse:
    if request.path_params["name"] == "bad":
        raise RuntimeError(SECRET)
    return PlainTextResponse("good")


@asynccontextmanager
async def app() -> AsyncIterator[httpx.AsyncClient]:
    inside = Starlette(routes=[Route("/of/{name}", _answer)])
    inside.add_middleware(AccessLog)
    inside.add_middleware(RequestId)
    transport = httpx.ASGITransport(inside, client=("203.0.113.77", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        yield client


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}


async def test_the_route_is_told_and_not_the_path(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "zhiyin")
    async with app() as client:
        assert (await client.get(f"/of/{SECRET}?key={SECRET}")).text == "good"
        await client.get(f"/{SECRET}")
        await client.request(SECRET.upper(), "/of/x")
    lines = [_fields(r) for r in caplog.records if r.name.startswith("zhiyin")]
    assert [(f["route"], f["method"], f["status"]) for f in lines] == [
        ("/of/{name}", "GET", 200), ("-", "GET", 404), ("/of/{name}", "-", 405),
    ]  # fmt: skip
    assert {f["client"] for f in lines} == {"203.0.113.0"}
    assert all(f["took_ms"] >= 0 for f in lines)


async def test_what_nobody_expected_is_answered_with_its_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with app() as client:
        answer = await client.get("/of/bad", headers={"X-Request-ID": "mine-1"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "mine-1")
    assert answer.json()["error"]["code"] == "internal_error"
    assert SECRET not in answer.text
    assert [r.getMessage() for r in caplog.records] == ["a request failed"]


@pytest.mark.parametrize("wanted", ["", "x" * 65, "a b", "ü", "a\nb", 'a"b'])
async def test_a_bad_id_is_replaced(wanted: str) -> None:
    async with app() as client:
        headers = [(b"X-Request-ID", wanted.encode("latin-1"))]
        answer = await client.get("/of/x", headers=headers)
    assert answer.headers["x-request-id"].startswith("req_")
