"""The web page in a real browser, against the real server unless a test says otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright import sync_api as pw
from playwright.sync_api import FilePayload, Page, expect

from tests.support import media
from tests.support.pages import FITS, HOSTILE, INSECURE_HOST, PHONE, REFUSED, RUN_MS, OpenSite, Site
from tests.support.server import Server
from zhiyin.domain.subtitles import to_srt, to_vtt
from zhiyin.domain.transcript import Segment, join_texts

Audio = Callable[[str], Path]


@pytest.fixture
def site(sites: OpenSite) -> Site:
    return sites("en_short")


def finish(page: Page) -> str:
    expect(page.locator("#actions")).to_be_visible(timeout=RUN_MS)
    expect(page.locator("#job")).to_be_hidden()
    return " ".join(page.locator(".segment p").all_inner_texts())


def upload(page: Page, file: Path | FilePayload) -> str:
    page.set_input_files("#file", file)
    return finish(page)


def payload(name: str, data: bytes) -> FilePayload:
    return FilePayload(name=name, mimeType="", buffer=data)


def answer(page: Page, file: Path, **made_up: Any) -> None:
    page.route("**/recognize", lambda route: route.fulfill(**made_up), times=1)
    page.set_input_files("#file", file)


def player_time(page: Page) -> float:
    return float(page.evaluate("document.querySelector('#player').currentTime"))


def events(*bodies: object) -> str:
    return "".join(f"data: {json.dumps(body)}\n\n" for body in bodies)


def segment(number: int) -> dict[str, Any]:
    start = number * 3.0
    return {"id": number, "start": start, "end": start + 2.5, "text": f"{HOSTILE} {number}."}


@pytest.mark.parametrize("name", ["en_sentences", "zh_sentences"])
def test_upload_gives_the_words(site: Site, audio: Audio, name: str) -> None:
    page = site.open()
    text = upload(page, audio(name))
    assert media.heard(media.reference(name), text) >= 0.8
    facts = page.inner_text("#facts")
    assert {"en": "English", "zh": "Chinese"}[name[:2]] in facts
    assert "0:10" in facts or "0:09" in facts
    assert "whisper-base" in facts
    page.click("#copy")
    expect(page.locator("#copy")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert media.units(copied) == media.units(text)


def test_segments_play_from_their_start(site: Site, audio: Audio) -> None:
    page = site.open()
    page.click("#advanced summary")
    page.check("#words")
    upload(page, audio("en_sentences"))
    page.evaluate("document.querySelector('#player').playbackRate = 0.1")
    second = page.locator(".segment").nth(1)
    start = float(second.get_attribute("data-start") or 0)
    assert start > 1
    second.locator(".stamp").click()
    expect(second).to_have_attribute("aria-current", "true")
    assert start - 0.1 <= player_time(page) < start + 3
    page.locator(".stamp").first.press("Enter")
    expect(page.locator(".segment").first).to_have_class(re.compile(r"\bnow\b"))
    assert player_time(page) < start
    word = second.locator(".word").last
    word.click()
    assert player_time(page) >= float(word.get_attribute("data-start") or 0) - 0.1 > start


def test_downloads(site: Site, audio: Audio) -> None:
    page = site.open()
    text = upload(page, audio("en_sentences"))
    saved: dict[str, str] = {}
    for kind in ("txt", "srt", "vtt", "json"):
        with page.expect_download() as coming:
            page.click(f"[data-format={kind}]")
        assert coming.value.suggested_filename == f"en_sentences.{kind}"
        saved[kind] = Path(coming.value.path()).read_text(encoding="utf-8")
    result = json.loads(saved["json"])
    assert media.units(saved["txt"]) == media.units(text) == media.units(result["text"])
    assert result["language"] == "en"
    heard = [Segment(s["text"], s["start"], s["end"], 1.0) for s in result["segments"]]
    assert saved["srt"] == to_srt(heard)
    assert saved["vtt"] == to_vtt(heard)


def test_formats_are_the_servers(site: Site) -> None:
    hard = [
        Segment("a <b> & --> c", 0.0, 1.9996, 1), Segment(" 两\n行 ", 59.9995, 3599.9994, 1),
        Segment("你好。", 3600.0, 3600.0, 1), Segment("x", 360000.5, 2.0, 1),
    ]  # fmt: skip
    page = site.open()
    texts = page.evaluate(
        """async (segments) => {
            const { toSrt, toVtt, toText } = await import('/static/shared/formats.js');
            const close = segments.map(({ text }) => ({ text, start: 0, end: 0 }));
            return [toSrt(segments), toVtt(segments), toText(close)];
        }""",
        [{"text": s.text, "start": s.start, "end": s.end} for s in hard],
    )
    assert texts[0] == to_srt(hard).replace("& --> c", "& -> c")  # SubRip cannot escape
    assert texts[1] == to_vtt(hard)
    assert texts[2] == join_texts(" ".join(s.text.split()) for s in hard) + "\n"


def test_microphone(site: Site) -> None:
    page = site.open()
    page.click("#record")
    expect(page.locator("#recorded")).to_have_text("0:05", timeout=15_000)
    page.click("#record-stop")
    text = finish(page)
    assert media.heard(media.reference("en_short"), text) >= 0.8
    expect(page.locator("#keep")).to_be_visible()
    assert page.evaluate("Number.isFinite(document.querySelector('#player').duration)")


def test_an_insecure_origin_explains_the_missing_microphone(site: Site) -> None:
    page = site.open(site.url.replace("127.0.0.1", INSECURE_HOST), permissions=[])
    page.click("#record")
    expect(page.locator("#notice")).to_contain_text("HTTPS")
    page.click(".code summary")
    page.click("[data-copies=code-curl]")
    expect(page.locator("[data-copies=code-curl]")).to_have_text("Copied")


def test_chinese(site: Site) -> None:
    page = site.open()
    names = """async (code) => {
        const messages = await import(`/static/shared/messages-${code}.js`);
        return Object.keys(Object.values(messages)[0]);
    }"""
    assert sorted(page.evaluate(names, "en")) == sorted(page.evaluate(names, "zh"))
    page.click("#ui-language")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("#choose")).to_have_text("选择文件")
    expect(page.locator("#language option").first).to_have_text("自动检测")
    page.reload()
    expect(page.locator("h1")).to_have_text("闻声，成文。")
    expect(site.open(locale="zh-CN").locator("#choose")).to_have_text("选择文件")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_themes(site: Site, scheme: str) -> None:
    page = site.open(color_scheme=scheme)
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", scheme)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", colour)[0]) > 127) == (scheme == "light")
    other = "light" if scheme == "dark" else "dark"
    page.click("#ui-theme")
    page.reload()
    expect(root).to_have_attribute("data-theme", other)


def test_a_text_file_is_refused_plainly(site: Site) -> None:
    site.allowed = REFUSED
    page = site.open()
    page.set_input_files("#file", payload("x.mp3", b"hi\n"))
    notice = page.locator("#notice")
    expect(notice).to_contain_text("could not be read as audio", timeout=RUN_MS)
    expect(page.locator("#job")).to_be_hidden()
    page.click("#ui-language")
    expect(notice).to_contain_text("未能识别")
    expect(notice).to_contain_text("无法作为音频")


NAMELESS = """() => [...document.querySelectorAll('button, a, select, textarea, input, audio')]
    .filter((node) => !node.textContent.trim() && !node.ariaLabel && !node.labels?.length)
    .map((node) => node.outerHTML)"""


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_phone(site: Site, audio: Audio, locale: str) -> None:
    page = site.open(viewport=PHONE, locale=locale)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate(FITS)
    upload(page, audio("en_short"))
    assert page.evaluate(FITS)
    assert page.evaluate(NAMELESS) == []
    page.click("#record")
    assert page.evaluate(FITS)
    page.click("#record-discard")
    expect(page.locator("#record")).to_be_focused()


def test_another_file_while_one_runs(site: Site, audio: Audio) -> None:
    page = site.open()
    page.route("**/recognize", lambda route: None, times=1)  # runs for ever
    page.set_input_files("#file", audio("en_story"))
    page.set_input_files("#file", audio("en_short"))
    page.click("#ask-keep")
    expect(page.locator("#job-name")).to_have_text("en_story.ogg")
    page.set_input_files("#file", audio("en_short"))
    with page.expect_event("requestfailed") as stopped:
        page.click("#ask-replace")
    assert stopped.value.url.endswith("/recognize")
    assert media.heard(media.reference("en_short"), finish(page)) >= 0.8
    expect(page.locator("#result-name")).to_have_text("en_short.flac")
    assert page.locator(".segment").count() <= 2


def test_cancel_and_again(site: Site, tmp_path: Path) -> None:
    page = site.open()
    # Half as loud it is another recording, whose text no cache has.
    (tmp_path / "story.wav").write_bytes(media.wav(media.samples("en_story") * np.float32(0.5)))
    page.set_input_files("#file", tmp_path / "story.wav")
    page.click("#cancel")
    expect(page.locator("#notice-title")).to_contain_text("Cancelled")
    expect(page.locator("#job")).to_be_hidden()
    page.click("#notice-retry")
    expect(page.locator("#facts")).to_contain_text("1:14", timeout=RUN_MS)
    assert media.heard(media.reference("en_story"), finish(page)) >= 0.8


def test_a_dropped_file_with_a_hostile_name(site: Site, audio: Audio) -> None:
    page = site.open()
    transfer = page.evaluate_handle(
        """([name, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name));
            return transfer;
        }""",
        [f"{HOSTILE}.wav", list(audio("en_short").read_bytes())],
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
    assert media.heard(media.reference("en_short"), finish(page)) >= 0.8
    expect(page.locator("#result-name")).to_have_text(f"{HOSTILE}.wav")
    assert page.locator("img").count() == 0


def test_a_type_the_browser_cannot_play(site: Site) -> None:
    amr = media.encode(media.samples("en_short"), media.Form("amr", "libopencore_amrnb", 8_000))
    page = site.open()
    upload(page, payload("phone.amr", amr))
    expect(page.locator("#unplayable")).to_be_visible()
    expect(page.locator(".stamp").first).to_be_disabled()


def test_a_file_over_the_limit(site: Site, small_server: Server) -> None:
    site.allowed = REFUSED
    page = site.open(small_server.url)
    page.set_input_files("#file", payload("big.wav", bytes(8 << 20)))
    expect(page.locator("#notice")).to_contain_text("too large", timeout=RUN_MS)


def test_a_busy_server_is_tried_again(site: Site, audio: Audio) -> None:
    """The first answer is made up: 429 with Retry-After."""
    site.allowed = REFUSED
    page = site.open()
    body = json.dumps({"error": {"message": "Full.", "type": "", "param": None, "code": None}})
    answer(page, audio("en_short"), status=429, headers={"Retry-After": "2"}, body=body)
    expect(page.locator("#notice-detail")).to_have_text("Full.")
    expect(page.locator("#notice-retry")).to_be_disabled()
    expect(page.locator("#notice-retry")).to_be_enabled()
    page.click("#notice-retry")
    assert media.heard(media.reference("en_short"), finish(page)) >= 0.8


def test_a_server_that_is_down(site: Site, audio: Audio) -> None:
    site.allowed = REFUSED
    page = site.open()
    page.context.set_offline(True)
    page.set_input_files("#file", audio("en_short"))
    expect(page.locator("#notice")).to_contain_text("does not answer")
    page.context.set_offline(False)
    page.click("#notice-retry")
    finish(page)


def test_an_error_midway_keeps_the_text(site: Site, audio: Audio) -> None:
    """The answer is made up."""
    page = site.open()
    error = {"error": {"message": "Out of luck.", "type": "x", "param": None, "code": "x"}}
    body = events({"type": "segment", "segment": segment(0)}, error)
    answer(page, audio("en_short"), status=200, body=body)
    expect(page.locator("#notice")).to_contain_text("Out of luck.")
    expect(page.locator(".segment")).to_contain_text(f"{HOSTILE} 0.")
    expect(page.locator("[data-format=srt]")).to_be_visible()


def test_a_key_is_asked_for_and_sent(site: Site, audio: Audio) -> None:
    """The refusal is made up; the real server takes any key."""
    site.allowed = REFUSED
    page = site.open()

    def guard(route: pw.Route) -> None:
        if route.request.headers.get("authorization") == "Bearer sesame":
            route.continue_()
        else:
            route.fulfill(status=401, body="{}")

    page.route("**/recognize", guard)
    page.set_input_files("#file", audio("en_short"))
    page.fill("#key", "sesame")
    page.press("#key", "Enter")
    finish(page)


def test_a_very_long_transcript(site: Site, audio: Audio) -> None:
    """The answer is made up: five thousand segments."""
    parts = [segment(i) for i in range(5000)]
    result = {
        "text": "", "language": "en", "duration": 15000.0, "model": "m", "segments": parts,
        "warnings": [{"code": "odd", "message": HOSTILE}],
    }  # fmt: skip
    told = [{"type": "segment", "segment": part} for part in parts]
    body = events({"type": "progress", "processed": 1, "duration": None}, *told)
    body += events({"type": "done", "result": result})
    page = site.open()
    answer(page, audio("en_short"), status=200, body=body)
    expect(page.locator(".segment")).to_have_count(5000, timeout=RUN_MS)
    expect(page.locator("#facts")).to_contain_text("4:10:00")
    expect(page.locator("#warnings")).to_have_text(HOSTILE)
