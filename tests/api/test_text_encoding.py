"""All text of requests is UTF-8: no client chooses a codec, and nothing is guessed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from tests.support import media
from tests.support.app_server import app_server
from tests.support.raw_http import assert_error, form
from zhiyin.access.http.origins import SiteGuard, Sites

RECORDING = ("file", 'filename="a.flac"', media.path("en_short").read_bytes())
CHARSETS = ["punycode", "idna", "utf-7", "utf-16", "zlib", "rot13", "unicode_escape", "cp037", "x"]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with (
        app_server() as server,
        httpx.AsyncClient(base_url=server.url.replace("ws", "http"), timeout=60) as made,
    ):
        yield made


async def send(
    client: httpx.AsyncClient, *parts: tuple[str, str, bytes], charset: str = ""
) -> httpx.Response:
    body, kind = form(*parts)
    return await client.post("/recognize", content=body, headers={"Content-Type": kind + charset})


async def test_the_charset_of_a_form_chooses_no_codec(client: httpx.AsyncClient) -> None:
    """Decoding punycode takes time that is quadratic in its length; others fail, or make 500."""
    broken = [("k0-", "", b"x-" + b"a" * 2000), ("k1-", "", b"\xff-\xfe"), ("k2", "", b"-")]
    good = [RECORDING, ("prompt", "", "打开客厅的灯".encode()), ("language", "", b"zh")]
    for charset in CHARSETS:
        answer = await send(client, *broken, charset=f"; charset={charset}")
        assert_error(answer, 400)
        answer = await send(client, *good, charset=f"; charset={charset}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["language"] == "zh"


async def test_the_charset_of_a_part_chooses_no_codec(client: httpx.AsyncClient) -> None:
    typed = b"Content-Type: text/plain; charset=utf-16\r\n"
    body, kind = form(RECORDING, ("language", "", b"zh"))
    body = body.replace(b"\r\n\r\nzh", b"\r\n" + typed + b"\r\nzh")
    assert typed in body
    answer = await client.post("/recognize", content=body, headers={"Content-Type": kind})
    assert answer.json()["language"] == "zh"


@pytest.mark.parametrize("codec", ["gbk", "big5", "shift_jis", "latin-1"])
async def test_text_in_another_charset_is_refused(client: httpx.AsyncClient, codec: str) -> None:
    text = "café" if codec == "latin-1" else "日本"
    for charset in (f"; charset={codec}", ""):
        answer = await send(client, RECORDING, ("prompt", "", text.encode(codec)), charset=charset)
        assert_error(answer, 400, "prompt", "invalid_value")
        assert "UTF-8" in answer.json()["error"]["message"]


async def test_a_field_name_in_another_charset_is_refused(client: httpx.AsyncClient) -> None:
    body, kind = form(RECORDING, ("NAME", "", b"x"))
    answer = await client.post(
        "/recognize",
        content=body.replace(b"NAME", "名".encode("gbk")),
        headers={"Content-Type": kind},
    )
    assert_error(answer, 400)
    assert "UTF-8" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", [b'filename="\xb4\xf2.flac"', b"filename*=punycode''x-aaa"])
async def test_the_name_of_a_file_is_not_decoded(client: httpx.AsyncClient, name: bytes) -> None:
    body, kind = form(("file", "NAME", RECORDING[2]))
    answer = await client.post(
        "/recognize", content=body.replace(b"NAME", name), headers={"Content-Type": kind}
    )
    assert answer.status_code == 200, answer.text


async def test_parameters_in_another_charset_are_refused(client: httpx.AsyncClient) -> None:
    for path in ("/v1/history?q=%B4%F2", "/v1/jobs?after=%B4%F2", "/?%ff"):
        answer = await client.get(path)
        assert_error(answer, 400, None, "invalid_value")
        assert "UTF-8" in answer.json()["error"]["message"]


async def test_parameters_that_were_not_escaped_are_read() -> None:
    """As curl sends them: plain bytes."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(HTTPConnection(scope).query_params["q"])

    headers = [(b"host", b"localhost")]
    for query in ("q=打开 +%E6%89%93&x=%25", "q=%E6%89%93%E5%BC%80%20+打"):
        scope: Scope = {
            "type": "http", "method": "GET", "headers": headers, "query_string": query.encode(),
        }  # fmt: skip
        await SiteGuard(app, Sites())(scope, nothing, nothing)
    assert seen == ["打开  打", "打开  打"]


async def nothing(*_: Any) -> Any:
    raise AssertionError("it is not called")


BROKEN = [
    b"\xff\xfe\xfd",
    b'{"session": "\xb4\xf2"}',
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b'{"expires_after": {"seconds": ' + b"9" * 5000 + b"}}",
    b'{"session": "\\ud800"}',
    b'{"\\ud800": 1}',
    b"{",
]


@pytest.mark.parametrize("path", ["client_secrets", "transcription_sessions"])
async def test_json_that_can_not_be_read_is_refused(client: httpx.AsyncClient, path: str) -> None:
    for body in BROKEN:
        for kind in ("application/json", "application/json; charset=punycode"):
            answer = await client.post(
                f"/v1/realtime/{path}", content=body, headers={"Content-Type": kind}
            )
            assert assert_error(answer, 400)["code"] in ("invalid_json", "invalid_value")
