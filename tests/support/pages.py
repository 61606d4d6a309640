"""The web page in a real browser: opens pages and listens to their complaints."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from playwright import sync_api as pw
from playwright.sync_api import Page, expect

from tests.support import media

INSECURE_HOST = "192.0.2.7"  # mapped to this machine; not loopback, so not a secure origin
ARGS = [
    "--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    f"--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1",
]  # fmt: skip
RUN_MS = 90_000  # a recognition on a busy machine
REFUSED = "Failed to load resource"  # the browser's own line about any 4xx
HOSTILE = "<img src=x onerror=alert(1)>"
FITS = "document.documentElement.scrollWidth <= innerWidth"
PHONE = {"width": 320, "height": 640}


def microphone(folder: Path, name: str) -> str:
    """The flag that makes a recording of tests/audio the microphone's sound, once."""
    file = folder / f"{name}.wav"
    file.write_bytes(media.wav(np.pad(media.samples(name), media.RATE)))
    return f"--use-file-for-fake-audio-capture={file}%noloop"


@dataclass
class Site:
    """Opens pages and keeps what their consoles say."""

    browser: pw.Browser
    url: str
    allowed: str = ""
    contexts: list[pw.BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, url: str = "", **context: Any) -> Page:
        """The page in a fresh profile."""
        page = self.tab(**context)
        page.goto(url or self.url)
        expect(page.locator("#model")).to_have_value("whisper-base")
        return page

    def tab(self, **context: Any) -> Page:
        """An empty page in a fresh profile."""
        options = {"locale": "en-US", "permissions": ["clipboard-read", "clipboard-write"]}
        fresh = self.browser.new_context(**(options | context))
        self.contexts.append(fresh)
        page = fresh.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)
        return page

    def close(self) -> None:
        """No page may have complained."""
        for context in self.contexts:
            context.close()
        assert not self.complaints

    def _heard(self, message: pw.ConsoleMessage) -> None:
        harmless = self.allowed and self.allowed in message.text
        if message.type in ("error", "warning") and not harmless:
            self.complaints.append(message.text)

    def _asked(self, request: pw.Request) -> None:
        if not re.match(r"http://(127\.0\.0\.1|192\.0\.2\.7):|blob:|data:", request.url):
            self.complaints.append(f"foreign address: {request.url}")


OpenSite = Callable[[str], Site]
"""From a recording to the page for its speaker."""


def speak(page: Page, name: str) -> None:
    """Press the button and let the recording play to its end."""
    page.click("#speak")
    expect(page.locator("#live")).to_be_visible()
    seconds = int(media.seconds(name)) + 2
    clock = f"0:{seconds:02d}"
    expect(page.locator("#live-time")).to_have_text(clock, timeout=(seconds + 15) * 1000)


def stop(page: Page) -> str:
    """Press the other button; the transcript."""
    page.click("#live-stop")
    expect(page.locator("#live")).to_be_hidden(timeout=RUN_MS)
    expect(page.locator("#unsettled")).to_be_empty()
    return " ".join(page.locator(".segment p").all_inner_texts())


def right(name: str, text: str) -> bool:
    """Whether the words of a recording are in a text."""
    return media.heard(media.reference(name), text) >= 0.8
