"""API documentation in a browser, at `/docs` and `/redoc`, from files of this machine."""

from __future__ import annotations

import base64
import hashlib
import re

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse

STATIC = "/static-offline-docs"
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def install(app: FastAPI) -> None:
    """Add both pages; their files are those that fastapi_offline has at `STATIC`."""
    address = app.openapi_url or "/openapi.json"
    icon = f"{STATIC}/favicon.png"
    swagger = get_swagger_ui_html(
        openapi_url=address,
        title="zhiyin",
        swagger_js_url=f"{STATIC}/swagger-ui-bundle.js",
        swagger_css_url=f"{STATIC}/swagger-ui.css",
        swagger_favicon_url=icon,
    )
    redoc = get_redoc_html(
        openapi_url=address,
        title="zhiyin",
        redoc_js_url=f"{STATIC}/redoc.standalone.js",
        with_google_fonts=False,
        redoc_favicon_url=icon,
    )
    for path, page in (("/docs", swagger), ("/redoc", redoc)):
        app.add_api_route(path, _serving(page), methods=["GET", "HEAD"], include_in_schema=False)


def _serving(page: HTMLResponse) -> _Page:
    page.headers["Content-Security-Policy"] = _policy(bytes(page.body))
    return _Page(page)


class _Page:
    """A route that always has the same response."""

    def __init__(self, page: HTMLResponse) -> None:
        self._page = page

    async def __call__(self) -> HTMLResponse:
        """The page."""
        return self._page


def _policy(page: bytes) -> str:
    """As of the other pages, but for the page's own inline script, styles and workers."""
    digests = (hashlib.sha256(script).digest() for script in _SCRIPT.findall(page))
    scripts = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; font-src 'self'; worker-src blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
