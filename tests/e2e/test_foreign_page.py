"""A page of another site in a real browser: it reaches nothing; the server's own pages do."""

from __future__ import annotations

import base64
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright import sync_api as pw
from playwright.sync_api import expect

from tests.support import media
from tests.support.pages import ARGS
from tests.support.server import Server, running

SOCKETS = ["/ws/subtitle?room=hall&role=viewer", "/v1/stream", "/v1/realtime?intent=transcription"]
OPENS = """([url]) => new Promise((done) => {
    const socket = new WebSocket(url);
    socket.onopen = () => done('opened');
    socket.onerror = () => done('refused');
})"""
UPLOADS = """async ([url, base64, options]) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const body = new FormData();
    body.append('file', new Blob([bytes]), 'a.flac');
    try {
        const answer = await fetch(url, { method: 'POST', body, ...options });
        return [answer.type, answer.status, answer.headers.get('x-request-id') !== null];
    } catch (error) {
        return ['error', 0, false];
    }
}"""
RECORDING = media.path("en_short").read_bytes()


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[pw.Browser]:
    with pw.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium_path, args=ARGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another web server on this machine: the browser takes its pages for local ones."""
    folder: Path = tmp_path_factory.mktemp("foreign")
    (folder / "index.html").write_text("<!doctype html><title>foreign</title>")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(browser: pw.Browser) -> Iterator[pw.Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def upload(page: pw.Page, url: str, **options: str) -> list[object]:
    sound = base64.b64encode(RECORDING).decode()
    found: list[object] = page.evaluate(UPLOADS, [f"{url}/recognize", sound, options])
    return found


def test_a_foreign_page_reaches_nothing(page: pw.Page, server: Server, foreign: str) -> None:
    answers: list[tuple[str, int]] = []
    page.on("response", lambda r: answers.append((r.request.method, r.status)))
    page.goto(foreign)
    answers.clear()
    for path in SOCKETS:
        assert page.evaluate(OPENS, [server.url.replace("http", "ws") + path]) == "refused"
    assert upload(page, server.url) == ["error", 0, False]
    assert upload(page, server.url, mode="no-cors") == ["opaque", 0, False]
    page.evaluate("(url) => fetch(url, { mode: 'no-cors' })", f"{server.url}/v1/history/export")
    assert answers
    assert {status for _, status in answers} == {403}
    assert not [line for line in server.logs if "handshake" in line], "uvicorn takes it for a fault"


def test_a_foreign_page_can_not_frame_ours(page: pw.Page, server: Server, foreign: str) -> None:
    page.goto(foreign)
    for path in ("/", "/docs", "/redoc", "/history", "/captions/hall", "/v1/models"):
        with page.expect_response(server.url + path) as answer:
            page.evaluate(
                "(url) => { const f = document.createElement('iframe'); f.src = url;"
                " document.body.append(f); }",
                server.url + path,
            )
        assert answer.value.status == 403


def test_a_foreign_page_may_link_to_ours(page: pw.Page, server: Server, foreign: str) -> None:
    page.goto(foreign)
    page.evaluate("(url) => { location.href = url; }", f"{server.url}/history")
    expect(page.locator("h1")).to_be_visible()
    assert page.url == f"{server.url}/history"


def test_a_page_of_the_server_itself(page: pw.Page, server: Server) -> None:
    page.goto(f"{server.url}/history")
    for path in SOCKETS:
        assert page.evaluate(OPENS, [server.url.replace("http", "ws") + path]) == "opened"
    assert upload(page, server.url) == ["basic", 200, True]


def test_a_page_whose_origin_is_listed(page: pw.Page, foreign: str, data_dir: Path) -> None:
    with running(data_dir, ZHIYIN_SERVER__ORIGINS=f'["{foreign}"]') as server:
        page.goto(foreign)
        for path in SOCKETS:
            assert page.evaluate(OPENS, [server.url.replace("http", "ws") + path]) == "opened"
        assert upload(page, server.url) == ["cors", 200, True]
        deleted = page.evaluate(
            "async (url) => (await fetch(url, { method: 'DELETE',"
            " headers: { Authorization: 'Bearer x', 'Idempotency-Key': 'y' } })).status",
            f"{server.url}/v1/history/tr_0000000000000001",
        )
        assert deleted == 404


def test_the_documentation_works_under_its_policy(page: pw.Page, server: Server) -> None:
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{server.url}/docs")
    expect(page.locator("#operations-recognition-recognize_recognize_post")).to_be_visible()
    page.goto(f"{server.url}/redoc")
    expect(page.locator("[data-role=redoc-summary], h1").first).to_be_visible()
    # Redoc shows the logo of its maker, from their server: the policy keeps the page at home.
    assert not [text for text in complaints if "cdn.redoc.ly" not in text]
