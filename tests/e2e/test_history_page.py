"""The page of kept transcripts in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support import media
from tests.support.pages import FITS, HOSTILE, PHONE, REFUSED, RUN_MS, OpenSite, Site
from tests.support.server import running


@pytest.fixture
def site(sites: OpenSite) -> Site:
    return sites("en_short")


def open_history(site: Site, **context: Any) -> Page:
    page = site.tab(**context)
    page.goto(f"{site.url}/history")
    return page


def shown(number: int, **changes: Any) -> dict[str, Any]:
    one = {
        "id": f"tr_{number:016x}", "created": "2026-01-02T03:04:05.678Z", "language": "zh",
        "duration": 61.0, "model": "whisper-base", "text": f"{HOSTILE} {number}",
    }  # fmt: skip
    return one | changes


def serve(page: Page, *entries: dict[str, Any], cursor: str | None = None) -> None:
    body = json.dumps({"data": entries, "next_cursor": cursor})
    page.route(re.compile("v1/history\\?"), lambda route: route.fulfill(body=body))


def test_what_was_recognized_is_listed_searched_opened_and_deleted(
    site: Site, data_dir: Path, tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/h.db"
    with running(data_dir, ZHIYIN_HISTORY__URL=url) as server:
        site.url = server.url
        page = site.open()
        for name in ("en_short", "zh_short"):
            page.set_input_files("#file", media.path(name))
            expect(page.locator("#actions")).to_be_visible(timeout=RUN_MS)
            expect(page.locator("#job")).to_be_hidden()
        page.click("text=History")
        expect(page.locator(".entry")).to_have_count(2)
        page.fill("#query", "kitchen")
        page.click("#filters .main")
        expect(page.locator(".entry")).to_have_count(1)
        page.click(".entry summary")
        expect(page.locator(".entry .segments")).to_contain_text("kitchen")
        text = page.inner_text(".entry .segments")
        assert media.heard(media.reference("en_short"), text) > 0.9
        page.click("text=Copy text")
        assert "itchen" in page.evaluate("navigator.clipboard.readText()")
        with page.expect_download() as download:
            page.click(".entry >> text=srt")
        assert "-->" in download.value.path().read_text()
        page.click("text=Delete")
        page.click("#ask-keep")
        expect(page.locator(".entry")).to_have_count(1)
        page.click(".entry >> text=Delete")
        page.click("#ask-replace")
        expect(page.locator("#status")).to_have_text("Nothing was found.")
        page.fill("#query", "")
        page.press("#query", "Enter")
        expect(page.locator(".entry")).to_have_count(1)
        page.select_option("#language", "en")
        expect(page.locator(".entry")).to_have_count(0)
        page.select_option("#language", "zh")
        expect(page.locator(".entry")).to_have_count(1)
        page.fill("#from", "2199-01-01")
        expect(page.locator(".entry")).to_have_count(0)
        site.close()


def test_text_is_never_markup(site: Site) -> None:
    page = site.tab(viewport=PHONE, locale="zh-CN")
    whole = shown(1, segments=[{"id": 0, "start": 0, "end": 1, "text": HOSTILE}])
    serve(page, shown(1), shown(2, text=None, language="und"), shown(3, text="", model=HOSTILE))
    page.route("**/v1/history/tr_*", lambda route: route.fulfill(body=json.dumps(whole)))
    page.goto(f"{site.url}/history")
    expect(page.locator(".entry")).to_have_count(3)
    expect(page.locator(".entry").nth(1)).to_contain_text("无法解密")
    page.click(".entry summary >> nth=0")
    expect(page.locator(".segment p")).to_have_text(HOSTILE)
    assert page.locator("img").count() == 0
    assert page.evaluate(FITS)
    assert "中文" in page.inner_text(".entry summary >> nth=0")
    page.click("#ui-language")
    expect(page.locator("h1")).to_have_text("History")
    assert "Chinese" in page.inner_text(".entry summary >> nth=0")


def test_more_is_shown_on_demand(site: Site) -> None:
    page = site.tab()
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        last = len(asked) == 2
        body = {"data": [shown(len(asked))], "next_cursor": None if last else "c1"}
        route.fulfill(body=json.dumps(body))

    page.route(re.compile("v1/history\\?"), answer)
    page.goto(f"{site.url}/history")
    page.click("#more")
    expect(page.locator(".entry")).to_have_count(2)
    expect(page.locator("#more")).to_be_hidden()
    assert "cursor=c1" in asked[1]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (503, "history_unavailable", "not ready"),
        (500, "cannot_decrypt", "had a problem"),
        (404, "history_off", "keeps no history"),
        (401, "invalid_api_key", "asks for an API key"),
    ],
)
def test_trouble_is_told(site: Site, status: int, code: str, words: str) -> None:
    site.allowed = REFUSED
    page = site.tab()
    body = json.dumps({"error": {"message": "why", "code": code}})
    page.route(re.compile("v1/history\\?"), lambda r: r.fulfill(status=status, body=body), times=1)
    page.goto(f"{site.url}/history")
    expect(page.locator("main")).to_contain_text(words)


def test_the_page_stands_alone(site: Site) -> None:
    page = open_history(site)
    expect(page.locator("h1")).to_have_text("History")
    expect(page.locator("#status, .entry").first).to_be_attached()
    page.click("text=Transcribe")
    expect(page.locator("#drop")).to_be_visible()
