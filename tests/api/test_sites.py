"""Requests for other hosts and from pages of other sites, over HTTP and WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.datastructures import Headers
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.support import media
from tests.support.app_server import AppServer, app_server
from tests.support.raw_http import assert_error
from zhiyin.access.http.origins import Sites, own_names
from zhiyin.domain.errors import ForeignOrigin, InvalidRequest, UnknownHost

EVIL = "https://evil.example"
SOCKETS = ["/ws/subtitle?room=hall&role=viewer", "/ws/subtitle", "/v1/stream", "/v1/realtime"]
APP = "https://app.example"
ANSWERS = [
    "/", "/history", "/captions/x", "/captions/%20", "/docs", "/redoc", "/static/x", "/v1/models",
    "/static/shared/style.css", "/nowhere", "/recognize",
]  # fmt: skip
SITES = Sites(frozenset({"asr.example"}), frozenset({APP, "chrome-extension://abc"}))


@pytest.fixture
async def server() -> AsyncIterator[AppServer]:
    async with app_server(sites=SITES) as made:
        yield made


def http(server: AppServer, **headers: str) -> httpx.AsyncClient:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.AsyncClient(base_url=server.url.replace("ws", "http"), headers=named, timeout=60)


def check(sites: Sites, headers: Headers, method: str = "POST") -> None:
    sites.check_host(headers, "1.1")
    sites.check_origin(headers, method)


def accepts(sites: Sites, method: str = "POST", **headers: str) -> bool:
    pairs = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        check(sites, Headers(pairs), method)
    except (ForeignOrigin, UnknownHost, InvalidRequest):
        return False
    return True


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("127.0.0.1:8000", True), ("127.0.0.1", True), ("192.168.1.7:80", True),
        ("[::1]:8000", True), ("[fe80::1]", True), ("localhost", True), ("LOCALHOST:8000", True),
        ("localhost.", True), ("my.localhost:1", True), ("asr.example", True),
        ("ASR.example:9", True), ("asr.example.", True), ("box", True), ("box.local", True),
        ("bound.lan", True), ("evil.example", False), ("evil.example:8000", False),
        ("asr.example.evil.example", False), ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False), ("evillocalhost", False),
        ("127.0.0.1@evil.example", False), ("evil.example#localhost", False),
        ("2130706433", False), ("0x7f.1", False), ("", False), ("localhost:80:80", False),
        ("[::1", False), (":80", False), ("localhost/", False), ("localhost:port", False),
    ],
)  # fmt: skip
def test_hosts(host: str, good: bool) -> None:
    names = own_names("Bound.lan", "box.corp.example", ["asr.example"])
    assert accepts(Sites(names), host=host) == good
    assert accepts(Sites(frozenset({"*"})), host=host)


@pytest.mark.parametrize(
    ("host", "origin", "good"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("[::1]:8000", "http://[::1]:8000", True),
        ("asr.example", "https://asr.example", True),  # a proxy has taken the TLS away
        ("asr.example", "http://asr.example", True),
        ("asr.example:443", "https://asr.example", True),
        ("ASR.example", "https://asr.example", True),
        ("localhost", APP, True),
        ("localhost", "chrome-extension://abc", True),
        ("localhost", "HTTPS://APP.example", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8001", False),
        ("127.0.0.1:8000", "http://127.0.0.1", False),
        ("127.0.0.1:8000", "http://localhost:8000", False),
        ("asr.example", "https://asr.example:8443", False),
        ("asr.example", "https://app.example.evil.example", False),
        ("asr.example", "https://asr.example.evil.example", False),
        ("asr.example", "https://asr.example@evil.example", False),
        ("asr.example", "file://asr.example", False),
        ("localhost", "null", False),
        ("localhost", "", False),
        ("localhost", "localhost", False),
        ("localhost", "http://", False),
        ("localhost", EVIL, False),
    ],
)
def test_origins(host: str, origin: str, good: bool) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "WEBSOCKET"):
        assert accepts(SITES, method, host=host, origin=origin) == good
    assert accepts(Sites(origins=frozenset({"*"})), host="localhost", origin=origin)


def test_several_origins_or_hosts_are_refused() -> None:
    for name in ("origin", "host"):
        headers = [("host", "localhost"), ("origin", "http://localhost"), (name, "http://evil")]
        given = Headers(raw=[(k.encode(), v.encode()) for k, v in headers])
        with pytest.raises((ForeignOrigin, InvalidRequest)):
            check(SITES, given)


@pytest.mark.parametrize(
    ("method", "site", "mode", "dest", "good"),
    [
        ("POST", "same-origin", "cors", "empty", True),
        ("GET", "none", "navigate", "document", True),
        ("GET", "cross-site", "navigate", "document", True),  # a link
        ("GET", "same-site", "navigate", "document", True),
        ("GET", "cross-site", "navigate", "iframe", False),
        ("GET", "cross-site", "navigate", "object", False),
        ("POST", "cross-site", "navigate", "document", False),  # a form
        ("POST", "cross-site", "no-cors", "empty", False),
        ("POST", "same-site", "no-cors", "empty", False),
        ("GET", "cross-site", "no-cors", "image", False),
        ("GET", "same-site", "no-cors", "script", False),
        ("DELETE", "cross-site", "cors", "empty", False),
        ("WEBSOCKET", "cross-site", "websocket", "empty", False),
        ("WEBSOCKET", "same-site", "websocket", "empty", False),
        ("WEBSOCKET", "same-origin", "websocket", "empty", True),
    ],
)
def test_what_browsers_say_of_the_sender(
    method: str, site: str, mode: str, dest: str, good: bool
) -> None:
    headers = {"sec_fetch_site": site, "sec_fetch_mode": mode, "sec_fetch_dest": dest}
    assert accepts(Sites(), method, host="localhost", **headers) == good
    assert accepts(SITES, method, host="localhost", origin=APP, **headers)


async def refused(url: str, **options: Any) -> httpx.Response:
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, **options)
    answer = caught.value.response
    return httpx.Response(answer.status_code, content=bytes(answer.body))


@pytest.mark.parametrize("path", SOCKETS)
async def test_sockets_are_for_own_pages(server: AppServer, path: str) -> None:
    here = urlsplit(server.url).netloc
    for origin in (EVIL, "null", "http://127.0.0.1:1", f"https://{here}.evil.example"):
        answer = await refused(server.url + path, origin=Origin(origin))
        assert_error(answer, 403, None, "foreign_origin")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        answer = await refused(server.url + path, additional_headers=headers)
        assert_error(answer, 403, None, "foreign_origin")
    for own in (None, Origin(f"http://{here}"), Origin(APP)):
        async with connect(server.url + path, origin=own):
            pass


@pytest.mark.parametrize("path", SOCKETS)
async def test_sockets_are_for_own_names(server: AppServer, path: str) -> None:
    answer = await refused(
        server.url.replace("127.0.0.1", "evil.example") + path,
        host="127.0.0.1",
        port=urlsplit(server.url).port,
    )
    assert_error(answer, 421, None, "unknown_host")


async def test_every_route_is_for_own_pages_and_names(server: AppServer) -> None:
    addresses = [
        (method.upper(), path)
        for path, methods in server.app.openapi()["paths"].items()
        for method in methods
    ]
    assert len(addresses) > 15
    addresses += [("GET", "/"), ("GET", "/docs"), ("GET", "/static/x"), ("OPTIONS", "/recognize")]
    async with http(server, origin=EVIL) as client:
        for method, path in addresses:
            answer = await client.request(method, path)
            assert_error(answer, 403, None, "foreign_origin")
            assert not [h for h in answer.headers if h.startswith("access-control")]
            assert answer.headers["x-request-id"]
    async with http(server, host="evil.example") as client:
        for method, path in addresses:
            assert_error(await client.request(method, path), 421, None, "unknown_host")


async def test_a_page_of_another_site_can_upload_nothing(server: AppServer) -> None:
    files = {"file": ("a.flac", media.path("en_short").read_bytes())}
    for origin, status in ((EVIL, 403), ("null", 403), (APP, 200)):
        async with http(server, origin=origin) as client:
            assert (await client.post("/recognize", files=files)).status_code == status
    async with http(server) as client:
        assert (await client.post("/recognize", files=files)).status_code == 200


async def test_cross_origin_pages_that_are_listed(server: AppServer) -> None:
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,idempotency-key,x-stainless-lang",
    }
    async with http(server, origin=APP) as client:
        preflight = await client.options("/v1/jobs", headers=asks)
        answer = await client.get("/v1/models")
        missing = await client.get("/v1/models/none")
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == APP
    assert "POST" in preflight.headers["access-control-allow-methods"]
    for name in asks["Access-Control-Request-Headers"].split(","):
        assert name in preflight.headers["access-control-allow-headers"].lower()
    assert "Origin" in preflight.headers["vary"]
    for read in (answer, missing):
        assert read.headers["access-control-allow-origin"] == APP
        assert "Origin" in read.headers["vary"]
        assert "X-Request-ID" in read.headers["access-control-expose-headers"]
        assert "Retry-After" in read.headers["access-control-expose-headers"]
    async with http(server) as client:
        plain = await client.get("/v1/models")
    assert "access-control-allow-origin" not in plain.headers
    assert "Origin" in plain.headers["vary"]  # a cache must not give one's answer to the other


async def test_without_origins_there_is_no_cors() -> None:
    async with app_server() as server, http(server, origin=APP) as client:
        asks = {"Access-Control-Request-Method": "POST"}
        for answer in (await client.options("/v1/jobs", headers=asks), await client.get("/")):
            assert_error(answer, 403, None, "foreign_origin")
            assert not [h for h in answer.headers if h.startswith("access-control")]


async def test_every_answer_has_the_security_headers(server: AppServer) -> None:
    async with http(server) as client:
        for path in ANSWERS:
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy, path
            assert "frame-ancestors 'none'" in policy, path
            assert "'unsafe-inline'" not in policy.split("style-src")[0], path
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["permissions-policy"]
