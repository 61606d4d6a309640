"""The documents name every route and socket of the app, and none that it doesn't have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute, iter_route_contexts

from tests.support.app_server import AppServer
from tests.support.live_stack import LiveStack
from zhiyin.access.app import create_app
from zhiyin.access.context import AccessLimits

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "README.zh-CN.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")))
FRAMEWORK = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
PARTS_OF_A_PAGE = {"/favicon.ico"}
_NAMED = re.compile(r"(?:`|^#+ )(GET|POST|PUT|PATCH|DELETE|WS) (/[^\s`?]*)", re.MULTILINE)
_PARAMETER = re.compile(r"\{[^}]*\}|\b[A-Z]+\b")  # {id}, or ROOM as in captions.md


def plain(path: str) -> str:
    """The path whatever its parameters are called."""
    return _PARAMETER.sub("{}", path)


@pytest.fixture(scope="module")
def routes() -> list[APIRoute | APIWebSocketRoute]:
    stack = LiveStack()
    app = create_app(AppServer(stack), AccessLimits(1 << 20, 8, 60.0))
    stack.pool.shutdown()
    found = [context.original_route for context in iter_route_contexts(app.routes)]
    return [route for route in found if isinstance(route, APIRoute | APIWebSocketRoute)]


@pytest.fixture(scope="module")
def served(routes: list[APIRoute | APIWebSocketRoute]) -> set[tuple[str, str]]:
    """Method and path of everything that programs call."""
    sockets = {("WS", plain(r.path)) for r in routes if isinstance(r, APIWebSocketRoute)}
    requests = {
        (method, plain(r.path))
        for r in routes
        if isinstance(r, APIRoute) and r.include_in_schema
        for method in r.methods or ()
    }
    return sockets | requests


def named(*pages: str) -> set[tuple[str, str]]:
    """Method and path of everything that these documents name."""
    found = [m for page in pages for m in _NAMED.findall((ROOT / page).read_text("utf-8"))]
    return {(method, plain(path)) for method, path in found}


def test_there_is_something_to_compare(served: set[tuple[str, str]]) -> None:
    assert {("POST", "/recognize"), ("WS", "/v1/stream"), ("GET", "/v1/jobs/{}")} <= served


def test_every_route_and_socket_is_in_the_api_page(served: set[tuple[str, str]]) -> None:
    assert served - named("docs/api.md") == set()


@pytest.mark.parametrize("page", PAGES)
def test_no_document_names_what_is_not_served(served: set[tuple[str, str]], page: str) -> None:
    assert named(page) - served == set()


def test_every_page_for_people_is_documented(
    routes: list[APIRoute | APIWebSocketRoute],
) -> None:
    shown = (
        {plain(r.path) for r in routes if isinstance(r, APIRoute) and not r.include_in_schema}
        - FRAMEWORK
        - PARTS_OF_A_PAGE
    )
    text = "\n".join((ROOT / page).read_text("utf-8") for page in PAGES)
    documented = {plain(path) for path in re.findall(r"`(?:http://[\w.]+:\d+)?(/[^\s`?]*)`", text)}
    assert "/history" in shown
    assert shown - documented == {"/"}, "the page itself is where the server is"
