"""The caption view in a real browser, while another page speaks."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av
import pytest
from playwright import sync_api as pw
from playwright.sync_api import Page, expect

from tests.support import media
from tests.support.pages import FITS, HOSTILE, PHONE, REFUSED, RUN_MS, OpenSite, Site, right, stop
from tests.support.server import running

GONE = "WebSocket connection to"  # the browser's own line about a server that is down
HALL = "main-hall_1"


def captions(site: Site, query: str = "", **context: Any) -> Page:
    page = site.tab(**context)
    page.goto(f"{site.url}/captions/{HALL}{query}")
    return page


def speak_in_hall(page: Page) -> None:
    page.click("#advanced summary")
    page.fill("#room", HALL)
    page.click("#speak")
    expect(page.locator("#live-link")).to_have_attribute("href", f"{page.url}captions/{HALL}")


def lines(page: Page) -> str:
    return " ".join(page.locator("#lines p").all_inner_texts())


def alpha(page: Page) -> Any:
    """How opaque each pixel is."""
    with av.open(io.BytesIO(page.screenshot(omit_background=True)), "r") as picture:
        return next(picture.decode(video=0)).to_ndarray(format="rgba")[:, :, 3]


def test_captions_show_what_a_speaker_says(sites: OpenSite) -> None:
    name = "en_sentences"
    site = sites(name)
    viewer = captions(site, "?size=30&lines=6")
    expect(viewer.locator("#state")).to_contain_text(HALL)
    speaker = site.open()
    speaker.select_option("#language", "en")
    speak_in_hall(speaker)
    expect(viewer.locator("#lines .unstable").first).to_be_visible(timeout=RUN_MS)
    expect(speaker.locator("#live-silent")).to_be_visible(timeout=RUN_MS)
    late = captions(site)
    text = stop(speaker)
    assert right(name, text)
    expect(viewer.locator("#state")).to_contain_text("finished", timeout=RUN_MS)
    for page in (viewer, late):
        assert media.units(lines(page)) == media.units(text)
        expect(page.locator("#lines .unstable")).to_have_count(0)
        assert page.evaluate(FITS)
    assert alpha(viewer)[0, 0] == 0
    assert alpha(viewer).max() == 255


def test_captions_come_back_after_a_restart(
    browsers: Callable[[str], pw.Browser], data_dir: Path
) -> None:
    site = Site(browsers("en_short"), "", allowed=GONE)
    with running(data_dir) as server:
        site.url = server.url
        viewer = captions(site, "?background=black")
        expect(viewer.locator("#state")).to_contain_text(HALL)
    expect(viewer.locator("#state")).to_contain_text("Trying again")
    with running(data_dir, site.url.rsplit(":", 1)[1]):
        expect(viewer.locator("#state")).to_contain_text("Nobody", timeout=RUN_MS)
        speaker = site.open()
        speak_in_hall(speaker)
        expect(viewer.locator("#lines p").first).to_be_visible(timeout=RUN_MS)
        expect(speaker.locator("#live-silent")).to_be_visible(timeout=RUN_MS)
        assert right("en_short", stop(speaker))
        assert right("en_short", lines(viewer))
        site.close()


def in_doubt(page: Page) -> None:
    """Wait for text that is not settled. How much was settled before depends on the machine."""
    expect(page.locator(".unsettled .unstable").first).to_be_visible(timeout=RUN_MS)


def all_was_heard(name: str, speaker: Page, viewer: Page) -> None:
    """Nothing is lost, nothing is repeated, and the viewer reads the same."""
    expect(speaker.locator("#live-silent")).to_be_visible(timeout=RUN_MS)
    text = stop(speaker)
    assert right(name, text)
    units = media.units(text)
    assert len(units) <= 1.2 * len(media.units(media.reference(name)))
    expect(viewer.locator("#state")).to_contain_text("finished", timeout=RUN_MS)
    assert media.units(lines(viewer))[-len(units) :] == units
    expect(speaker.locator("#facts")).to_contain_text("whisper-base")


def test_a_speaker_goes_on_after_a_restart(
    browsers: Callable[[str], pw.Browser], data_dir: Path
) -> None:
    name = "en_sentences"
    site = Site(browsers(name), "", allowed=GONE)
    with running(data_dir) as server:
        site.url = server.url
        viewer, speaker = captions(site, "?background=black"), site.open()
        speaker.select_option("#language", "en")
        speak_in_hall(speaker)
        in_doubt(speaker)
    expect(speaker.locator("#live-state")).to_contain_text("Go on")
    with running(data_dir, site.url.rsplit(":", 1)[1]):
        expect(speaker.locator("#live-state")).to_be_hidden(timeout=RUN_MS)
        all_was_heard(name, speaker, viewer)
        site.close()


def test_a_lost_connection_to_a_room_is_taken_up(sites: OpenSite) -> None:
    """The room is still held by the connection before when the next one comes."""
    name = "en_sentences"
    site = sites(name)
    viewer, speaker = captions(site, "?background=black"), site.tab()
    sockets: list[tuple[pw.WebSocketRoute, pw.WebSocketRoute]] = []
    speaker.route_web_socket(
        "**/ws/subtitle?*role=speaker*", lambda one: sockets.append((one, one.connect_to_server()))
    )
    speaker.goto(site.url)
    expect(speaker.locator("#model")).to_have_value("whisper-base")
    speaker.select_option("#language", "en")
    speak_in_hall(speaker)
    in_doubt(speaker)
    for end in reversed(sockets[0]):
        end.close(code=1000)
    all_was_heard(name, speaker, viewer)
    assert len(sockets) > 1


def test_a_room_in_which_somebody_speaks(sites: OpenSite) -> None:
    site = sites("en_short")
    first, second = site.open(), site.open()
    speak_in_hall(first)
    expect(first.locator(".segment")).to_be_visible(timeout=RUN_MS)
    speak_in_hall(second)
    expect(second.locator("#notice-title")).to_have_text("The room is taken")
    expect(second.locator("#result")).to_be_hidden()
    expect(second.locator("#speak")).to_be_focused()
    assert right("en_short", stop(first))


def test_captions_look_as_the_address_says(sites: OpenSite) -> None:
    """The server is made up."""
    page = sites("en_short").tab(viewport=PHONE, locale="zh-CN")
    spoken = {"id": 0, "text": f"{HOSTILE} 你好 " * 20, "final": True, "start": 0, "end": 1}
    open_one = {"id": 1, "text": "sure, perhaps", "stable": "sure, ", "final": False}

    def serve(socket: pw.WebSocketRoute) -> None:
        socket.send(json.dumps({"type": "history", "captions": [spoken]}))
        socket.send(json.dumps({"type": "caption", **open_one}))

    page.route_web_socket("**/ws/subtitle?*", serve)
    site_url = sites("en_short").url
    page.goto(f"{site_url}/captions/x?size=20&lines=4&color=rgb(1,2,3)&background=rgb(9,8,7)")
    expect(page.locator("#lines p")).to_have_count(2)
    expect(page.locator("#lines .unstable")).to_have_text("perhaps")
    assert page.locator("img").count() == 0
    look = page.evaluate("""() => {
        const [text, ground] = [document.querySelector('#lines p'), document.body];
        return [getComputedStyle(text).color, getComputedStyle(ground).backgroundColor,
            document.querySelector('#lines').offsetHeight];
    }""")
    assert look == ["rgb(1, 2, 3)", "rgb(9, 8, 7)", 4 * 28]
    assert page.evaluate(FITS)
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    for button in ("#larger", "#more", "#theme", "#ground"):
        page.click(button)
    assert "size=23&lines=5&theme=light" in page.url
    assert "background" not in page.url
    assert alpha(page)[320, 4] == 0
    expect(page.locator("#larger")).to_have_attribute("aria-label", "放大文字")
    expect(page.locator("#controls")).to_be_hidden(timeout=15_000)
    page.mouse.move(50, 50)
    expect(page.locator("#controls")).to_be_visible()


def test_a_token_after_the_hash_is_in_no_request(
    browsers: Callable[[str], pw.Browser], data_dir: Path
) -> None:
    site = Site(browsers("en_short"), "")
    asked: list[str] = []
    token = "may/+?=&漢"
    hidden = quote(token, safe="")
    with running(data_dir, ZHIYIN_CAPTIONS__VIEW_TOKEN=token) as server:
        site.url = server.url
        page = site.tab()
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        page.goto(f"{site.url}/captions/{HALL}?size=30#token={hidden}")
        expect(page.locator("#state")).to_contain_text("Nobody")
        page.click("#larger")
        assert page.url.endswith(f"#token={hidden}")
        site.close()
        refused = captions(site, "#token=wrong")
        expect(refused.locator("#trouble")).to_be_visible()
        accepted = captions(site, f"?token={hidden}")
        expect(accepted.locator("#state")).to_contain_text("Nobody")
    assert any("/ws/subtitle" in url for url in asked)
    assert not any("token" in url for url in asked)


@pytest.mark.parametrize("room", ["a%20b", "%E5%8E%85", "x" * 65, "a.b", "%"])
def test_a_room_of_another_name_is_explained(sites: OpenSite, room: str) -> None:
    site = sites("en_short")
    site.allowed = REFUSED
    page = site.tab()
    answer = page.goto(f"{site.url}/captions/{room}")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("#trouble")).to_contain_text("no caption room")
    page.goto(site.url)
    page.click("#advanced summary")
    page.fill("#room", "a b")
    page.click("#speak")
    expect(page.locator("#notice")).to_contain_text("Letters, digits")
