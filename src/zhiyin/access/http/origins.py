"""Middleware: requests for other hosts (DNS rebinding) and from pages of other sites are refused.

It looks at HTTP and at WebSocket handshakes alike. Programs that are no browser send no `Origin`,
and are not concerned.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from zhiyin.access.errors import error_response, observe_error
from zhiyin.domain.errors import AsrError, ForeignOrigin, InvalidRequest, UnknownHost

ANY = "*"
EXPOSED = (
    "X-Request-ID", "X-Zhiyin-Cache", "X-Should-Retry", "Retry-After", "Location",
    "Idempotent-Replayed", "Content-Disposition",
)  # fmt: skip
"""Headers of answers that pages of `server.origins` may read."""

_HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}
_FRAMED = frozenset({"iframe", "frame", "object", "embed", "fencedframe"})


@dataclass(frozen=True, slots=True)
class Sites:
    """Names that this server has beside IP addresses and localhost; origins that may use it.

    Names are in lower case and without a port; origins are as browsers send them. `*` is any.
    """

    names: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def check_host(self, headers: Headers, version: str) -> None:
        """Raise UnknownHost unless the request is for this server, InvalidRequest without a Host.

        An IP address can't be rebound by a foreign name server, so any is accepted.
        """
        given = headers.getlist("host")
        if len(given) > 1 or (not given and version != "1.0"):
            raise InvalidRequest("A request has exactly one Host header.", code="invalid_host")
        if not given or ANY in self.names:
            return
        found = _HOST.fullmatch(given[0].lower())
        if found is None:
            raise InvalidRequest("The Host header is malformed.", code="invalid_host")
        name = found["name"].rstrip(".")
        if not (_is_address(name) or _is_local(name) or name in self.names):
            raise UnknownHost(
                f"This server does not know the host name '{name[:100]}' as its own. Its operator "
                "can add it to the setting server.names."
            )

    def check_origin(self, headers: Headers, method: str) -> None:
        """Raise ForeignOrigin when a page of another site sent the request."""
        origins = headers.getlist("origin")
        if any(self._is_listed(origin) for origin in origins[:1]):
            return
        if len(origins) > 1 or any(not _is_own(o, headers.get("host", "")) for o in origins):
            raise _foreign()
        site = headers.get("sec-fetch-site", "none")
        if site in ("none", "same-origin"):
            return
        # Of other sites only links lead here: GET, as a whole page, and never inside of theirs.
        leads_here = method in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
        if not leads_here or headers.get("sec-fetch-dest") in _FRAMED:
            raise _foreign()

    def _is_listed(self, origin: str) -> bool:
        return ANY in self.origins or origin.lower() in self.origins


class SiteGuard:
    """Refuses with 421 what is for another host, with 403 what a page of another site sends."""

    def __init__(self, app: ASGIApp, sites: Sites) -> None:
        self._app = app
        self._sites = sites

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._sites.check_host(headers, scope.get("http_version", "1.1"))
            self._sites.check_origin(headers, scope.get("method", "WEBSOCKET"))
            _check_query(scope)
        except AsrError as error:
            observe_error(scope, error.code)
            await error_response(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _check_query(scope: Scope) -> None:
    """Raise InvalidRequest unless the parameters are UTF-8; escape what was sent as plain bytes."""
    query: bytes = scope["query_string"]
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            "The parameters of the address are not text in UTF-8. Send all text in UTF-8.",
            code="invalid_value",
        ) from error
    if not query.isascii():
        scope["query_string"] = quote(query, safe=bytes(range(128))).encode()


def _foreign() -> ForeignOrigin:
    return ForeignOrigin(
        "A page of another site sent this request. The server's operator can allow it with the "
        "setting server.origins; behind a proxy, the Host header has to be passed on.",
    )


def _is_own(origin: str, host: str) -> bool:
    """Whether the page comes from the host that the request is for.

    The scheme is not compared: behind a proxy for HTTPS it is unknown, and the ports tell.
    """
    scheme, _, place = origin.lower().partition("://")
    mine, theirs = _HOST.fullmatch(host.lower()), _HOST.fullmatch(place)
    if mine is None or theirs is None or scheme not in _PORTS:
        return False
    port = _PORTS[scheme]
    return mine["name"] == theirs["name"] and (mine["port"] or port) == (theirs["port"] or port)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _is_local(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def own_names(bound: str, machine: str, configured: Iterable[str]) -> frozenset[str]:
    """The names of a server: the one it is bound to, the machine's (also as `.local`), others."""
    short = machine.split(".", 1)[0]
    names = [bound, machine, short, f"{short}.local", *configured]
    return frozenset(name.lower().rstrip(".") for name in names if name)
