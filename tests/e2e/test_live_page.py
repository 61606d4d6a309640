"""Live text and captions in a real browser, with a microphone that plays a recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright import sync_api as pw
from playwright.sync_api import Page, expect

from tests.support import media
from tests.support.pages import (
    FITS,
    HOSTILE,
    INSECURE_HOST,
    PHONE,
    RUN_MS,
    OpenSite,
    Site,
    right,
    speak,
    stop,
)
from tests.support.server import running
from zhiyin.domain.subtitles import to_srt
from zhiyin.domain.transcript import Segment


@pytest.mark.parametrize(
    ("name", "context"),
    [
        ("en_sentences", {"color_scheme": "light"}),
        ("zh_sentences", {"color_scheme": "dark", "locale": "zh-CN", "viewport": PHONE}),
    ],
)
def test_text_appears_while_one_speaks(sites: OpenSite, name: str, context: dict[str, Any]) -> None:
    page = sites(name).open(**context)
    page.select_option("#language", name[:2])
    page.click("#speak")
    expect(page.locator(".unsettled .unstable").first).to_be_visible(timeout=RUN_MS)
    assert page.evaluate(FITS)
    expect(page.locator("#live-stop")).to_be_in_viewport()
    expect(page.locator(".segment").first).to_be_visible(timeout=RUN_MS)
    expect(page.locator("#spoken p").first).not_to_be_empty()
    expect(page.locator("#copy")).to_be_visible()
    expect(page.locator("#live")).to_be_visible()
    expect(page.locator("#live-silent")).to_be_visible(timeout=RUN_MS)
    assert right(name, stop(page))
    assert page.evaluate(FITS)
    expect(page.locator("#speak")).to_be_focused()
    expect(page.locator("#facts")).to_contain_text("English" if name[:2] == "en" else "中文")


@pytest.mark.parametrize(
    ("locale", "script", "written"),
    [("zh-TW", "traditional-tw", "電視"), ("zh-CN", "simplified", "电视")],
)
def test_chinese_is_written_as_its_reader_writes(
    sites: OpenSite, locale: str, script: str, written: str
) -> None:
    page = sites("zh_short").open(locale=locale)
    expect(page.locator("#script")).to_have_value(script)
    page.select_option("#language", "zh")
    speak(page, "zh_short")
    assert written in stop(page)


def test_live_text_is_copied_and_saved(sites: OpenSite) -> None:
    page = sites("en_short").open()
    speak(page, "en_short")
    text = stop(page)
    assert right("en_short", text)
    page.click("#copy")
    expect(page.locator("#copy")).to_have_text("Copied")
    assert media.units(page.evaluate("navigator.clipboard.readText()")) == media.units(text)
    saved: dict[str, str] = {}
    for kind in ("txt", "srt", "vtt", "json"):
        with page.expect_download() as coming:
            page.click(f"[data-format={kind}]")
        assert coming.value.suggested_filename.startswith("live 20")
        saved[kind] = Path(coming.value.path()).read_text(encoding="utf-8")
    result = json.loads(saved["json"])
    assert result["text"] == text == saved["txt"].strip()
    assert result["language"] == "en"
    assert result["model"] == "whisper-base"
    segments = result["segments"]
    assert 0 <= segments[0]["start"] < segments[-1]["end"] <= result["duration"]
    assert saved["srt"] == to_srt([Segment(s["text"], s["start"], s["end"], 1) for s in segments])
    assert saved["vtt"].startswith("WEBVTT")


def test_a_browser_that_cannot_resample(sites: OpenSite) -> None:
    """As Firefox: no microphone in a context of another rate."""
    site = sites("en_short")
    page = site.tab()
    page.add_init_script("""
        const create = AudioContext.prototype.createMediaStreamSource;
        AudioContext.prototype.createMediaStreamSource = function (stream) {
            if (this.sampleRate === 16000) throw new DOMException('no', 'NotSupportedError');
            return create.call(this, stream);
        };
    """)
    page.goto(site.url)
    speak(page, "en_short")
    assert right("en_short", stop(page))


HEAR = """async ([rate, tones]) => {
    const context = new OfflineAudioContext(1, rate * 2, rate);
    await context.audioWorklet.addModule('/static/live/pcm-worklet.js');
    const node = new AudioWorkletNode(context, 'pcm', { outputChannelCount: [1] });
    const heard = [];
    node.port.onmessage = ({ data }) => data && heard.push(...data);
    for (const tone of tones) {
        const source = new OscillatorNode(context, { frequency: tone });
        source.connect(new GainNode(context, { gain: 0.3 })).connect(node);
        source.start();
    }
    node.connect(context.destination);
    await context.startRendering();
    await new Promise((resolve) => setTimeout(resolve, 500));
    return heard;
}"""


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_the_worklet_resamples_without_folding(sites: OpenSite, rate: int) -> None:
    page = sites("en_short").open()
    heard = np.array(page.evaluate(HEAR, [rate, [440, 11_000]]), np.float64) / 32767
    assert abs(len(heard) - 32_000) < 2_000
    part = heard[8_000:24_000]  # a second, so that a bin is a hertz
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)))) / len(part) * 4
    assert spectrum[440] == pytest.approx(0.3, rel=0.05)
    spectrum[430:451] = 0
    assert spectrum.max() < 0.001


@pytest.mark.parametrize(
    ("error", "words"),
    [("NotAllowedError", "not allowed to use"), ("NotFoundError", "No microphone was found")],
)
def test_a_refused_microphone(sites: OpenSite, error: str, words: str) -> None:
    site = sites("en_short")
    page = site.tab()
    page.add_init_script(f"""navigator.mediaDevices.getUserMedia = async () => {{
        throw new DOMException('no', '{error}');
    }};""")
    page.goto(site.url)
    page.click("#speak")
    expect(page.locator("#notice")).to_contain_text(words)
    expect(page.locator("#speak")).to_be_focused()
    expect(page.locator("#live")).to_be_hidden()
    insecure = site.open(site.url.replace("127.0.0.1", INSECURE_HOST), permissions=[])
    insecure.click("#speak")
    expect(insecure.locator("#notice")).to_contain_text("HTTPS")


def cut_after(page: Page, pieces: int, *, forget: bool = False) -> list[str]:
    """Lose the connection after so many messages; the types of all text messages that follow.

    With `forget` the server is asked for a session that it does not know.
    """
    told: list[str] = []

    def relay(socket: pw.WebSocketRoute) -> None:
        server = socket.connect_to_server()
        left = 0 if told else pieces

        def forward(message: str | bytes) -> None:
            nonlocal left
            if isinstance(message, str):
                told.append(json.loads(message)["type"])
                if forget and told[-1] == "resume":
                    message = json.dumps({**json.loads(message), "session_id": "none"})
            server.send(message)
            left -= 1
            if left == 0:
                server.close(code=1001)
                socket.close(code=1001)

        socket.on_message(forward)

    page.route_web_socket("**/v1/stream", relay)
    return told


@pytest.mark.parametrize("forget", [False, True])
def test_a_lost_connection_is_taken_up(sites: OpenSite, forget: bool) -> None:
    name = "en_sentences"
    site = sites(name)
    page = site.tab()
    told = cut_after(page, 40, forget=forget)
    page.goto(site.url)
    speak(page, name)
    text = stop(page)
    assert told == (["start", "resume", "start", "eof"] if forget else ["start", "resume", "eof"])
    assert right(name, text)
    assert len(media.units(text)) <= 1.2 * len(media.units(media.reference(name)))
    starts = page.eval_on_selector_all(".segment", "rows => rows.map(row => +row.dataset.start)")
    assert starts == sorted(starts)
    expect(page.locator("#warnings")).to_be_hidden()


def test_a_server_that_is_gone_is_not_waited_for(
    browsers: Callable[[str], pw.Browser], data_dir: Path
) -> None:
    site = Site(browsers("en_sentences"), "", allowed="ERR_CONNECTION_REFUSED")
    with running(data_dir) as server:
        site.url = server.url
        page, late = site.open(), site.open()
        page.click("#speak")
        expect(page.locator(".segment").first).to_be_visible(timeout=RUN_MS)
    expect(page.locator("#live-state")).to_contain_text("Go on")
    page.click("#live-stop")
    late.click("#speak")
    expect(late.locator("#notice-title")).to_have_text("The server does not answer")
    expect(page.locator("#notice-title")).to_have_text("The server does not answer", timeout=RUN_MS)
    expect(page.locator("#live")).to_be_hidden()
    expect(page.locator(".segment").first).to_be_visible()
    site.close()


def answered(page: Page, *messages: dict[str, Any]) -> None:
    """A made-up server that says this to the first message."""

    def serve(socket: pw.WebSocketRoute) -> None:
        told = iter([messages])

        def answer(_: str | bytes) -> None:
            for message in next(told, ()):
                socket.send(json.dumps(message))

        socket.on_message(answer)

    page.route_web_socket("**/v1/stream", serve)


def test_an_error_keeps_the_text(sites: OpenSite) -> None:
    """The answer is made up."""
    site = sites("en_short")
    page = site.tab()
    final = {
        "type": "final", "event": 1, "segment_id": 0, "text": f"{HOSTILE} one.", "start": 0,
        "end": 1, "language": "en", "confidence": 1, "reason": "vad", "degraded": False,
    }  # fmt: skip
    error = {"message": "Out of luck.", "type": "server_error", "param": None, "code": "x"}
    ready = {"type": "ready", "session_id": "s", "model": "m", "sample_rate": 16000}
    done = {"type": "done", "received_s": 1, "decoded_s": 1, "segments": 1}
    answered(page, ready, {"type": "error", "error": error}, final, done)
    page.goto(site.url)
    page.click("#speak")
    expect(page.locator("#notice")).to_contain_text("Out of luck.")
    expect(page.locator("#live")).to_be_hidden()
    expect(page.locator(".segment")).to_contain_text(f"{HOSTILE} one.")
    expect(page.locator("[data-format=srt]")).to_be_visible()
    assert page.locator("img").count() == 0


def test_a_file_while_one_speaks(sites: OpenSite) -> None:
    page = sites("en_short").open()
    page.click("#speak")
    expect(page.locator("#status")).to_contain_text("Listening")  # the microphone is open
    page.set_input_files("#file", media.path("en_short"))
    page.click("#ask-keep")
    expect(page.locator("#live")).to_be_visible()
    page.set_input_files("#file", media.path("en_short"))
    page.click("#ask-replace")
    expect(page.locator("#result-name")).to_have_text("en_short.flac")
    expect(page.locator("#facts")).to_contain_text("Time taken", timeout=RUN_MS)
    expect(page.locator("#live")).to_be_hidden()


def test_second_thoughts_before_the_microphone_opens(sites: OpenSite) -> None:
    """The browser's question is made up: it is answered when the test says so."""
    site = sites("en_short")
    page = site.tab()
    page.add_init_script("""
        const { mediaDevices } = navigator;
        const ask = mediaDevices.getUserMedia.bind(mediaDevices);
        const asked = new Promise((resolve) => { window.allow = resolve; });
        mediaDevices.getUserMedia = async (wish) => {
            await asked;
            const stream = await ask(wish);
            const [track] = stream.getTracks();
            const stop = track.stop.bind(track);
            track.stop = () => { stop(); document.documentElement.dataset.closed = 'yes'; };
            return stream;
        };
    """)
    for start, leave in (("#speak", "#live-stop"), ("#record", "#record-discard")):
        page.goto(site.url)
        page.click(start)
        page.click(leave)
        expect(page.locator(start)).to_be_focused()
        page.evaluate("allow()")
        expect(page.locator("html")).to_have_attribute("data-closed", "yes")
        expect(page.locator(start)).to_be_visible()
        expect(page.locator("#result")).to_be_hidden()
