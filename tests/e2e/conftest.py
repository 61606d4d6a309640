"""Browsers with a microphone that plays a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright import sync_api as pw

from tests.support.pages import ARGS, OpenSite, Site, microphone


@pytest.fixture(scope="module")
def playwright() -> Iterator[pw.Playwright]:
    with pw.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browsers(
    playwright: pw.Playwright, chromium_path: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], pw.Browser]]:
    """From a recording to a browser whose microphone plays it."""
    folder = tmp_path_factory.mktemp("microphone")
    started: dict[str, pw.Browser] = {}

    def browser(name: str) -> pw.Browser:
        if name not in started:
            args = [*ARGS, microphone(folder, name)]
            started[name] = playwright.chromium.launch(executable_path=chromium_path, args=args)
        return started[name]

    yield browser
    for each in started.values():
        each.close()


@pytest.fixture
def sites(browsers: Callable[[str], pw.Browser], server_url: str) -> Iterator[OpenSite]:
    """From a recording to the page for its speaker."""
    opened: list[Site] = []

    def site(name: str) -> Site:
        opened.append(Site(browsers(name), server_url))
        return opened[-1]

    yield site
    for each in opened:
        each.close()
