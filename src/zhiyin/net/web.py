"""HTTP client for URLs of clients (downloads, webhooks), with an SSRF guard on each connection.

A name is resolved once per connection, all its addresses are checked, and the connection goes to a
checked address, the first that can be reached: a later change of the name (DNS rebinding) does not
matter, and every redirect is a new connection. Proxies of the environment are not used. Nothing is
kept from one request to the next: no cookies, no credentials, no connections.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from zhiyin.domain.errors import ForbiddenAddress, TooLarge, Unreachable
from zhiyin.domain.job import MAX_URL_CHARS
from zhiyin.net.addresses import Network, is_open

_MAX_REDIRECTS = 5
_SILENCE_S = 30.0
_CONNECT_S = 10.0
_CHUNK_BYTES = 1 << 18
_MOST_ADDRESSES = 5
_LOOKUPS = 16


@dataclass(frozen=True, slots=True)
class WebLimits:
    """Seconds for a whole download and for a message; networks that are open besides the public."""

    fetch_s: float
    post_s: float
    networks: tuple[Network, ...] = ()


class GuardedWeb:
    """Implements `ports.web.Web`."""

    def __init__(self, limits: WebLimits) -> None:
        self._limits = limits
        self._names = _Names(limits.networks)
        self._client = httpx.AsyncClient(
            transport=_Guard(self._names),
            timeout=httpx.Timeout(_SILENCE_S, connect=_CONNECT_S),
            max_redirects=_MAX_REDIRECTS,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"User-Agent": "zhiyin", "Accept-Encoding": "identity"},
        )

    async def check(self, url: str) -> None:
        """The URL's form, and its host's addresses as they are now."""
        parsed = _parse(url)
        name = parsed.raw_host.decode("ascii")
        await self._names.resolve(name, parsed.port or _port(parsed))

    async def fetch(self, url: str, max_bytes: int) -> AsyncGenerator[bytes, None]:
        """GET with redirects."""
        _parse(url)
        read = 0
        try:
            async with asyncio.timeout(self._limits.fetch_s):
                async with self._client.stream("GET", url, follow_redirects=True) as answer:
                    _check_answer(answer, max_bytes)
                    async for chunk in answer.aiter_raw(_CHUNK_BYTES):
                        read += len(chunk)
                        if read > max_bytes:
                            raise _too_large(max_bytes)
                        yield chunk
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable("The recording could not be fetched.", param="url") from error
        except TimeoutError as error:
            raise Unreachable("Fetching the recording took too long.", param="url") from error

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """POST; of the answer only the status is read."""
        _parse(url)
        try:
            async with asyncio.timeout(self._limits.post_s):
                connect_s = min(_CONNECT_S, self._limits.post_s / 2)
                async with self._client.stream(
                    "POST",
                    url,
                    headers=dict(headers),
                    content=body,
                    timeout=httpx.Timeout(_SILENCE_S, connect=connect_s),
                ) as answer:
                    return answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise Unreachable("The webhook's address does not answer.") from error

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()
        self._names.close()


class _Guard(httpx.AsyncBaseTransport):
    """Sends each request to a checked address; name, certificate and Host stay those of the URL."""

    def __init__(self, names: _Names) -> None:
        self._names = names
        # A kept connection could be used for another name at the same address.
        limits = httpx.Limits(max_keepalive_connections=0, max_connections=64)
        self._inner = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Resolve, check, connect."""
        url = _parse(str(request.url))
        name = url.raw_host.decode("ascii")
        addresses = await self._names.resolve(name, url.port or _port(url))
        request.extensions = {**request.extensions, "sni_hostname": name}
        request.headers["Host"] = url.netloc.decode("ascii")
        original = request.url
        try:
            return await self._connected(request, addresses[:_MOST_ADDRESSES])
        finally:
            request.url = original

    async def _connected(self, request: httpx.Request, addresses: list[str]) -> httpx.Response:
        """By the first address that can be reached; they share the time for connecting."""
        timeouts = request.extensions["timeout"]
        shared = timeouts | {"connect": timeouts["connect"] / len(addresses)}
        request.extensions = {**request.extensions, "timeout": shared}
        original = request.url
        for address in addresses[:-1]:
            request.url = original.copy_with(host=address)
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._inner.handle_async_request(request)
        request.url = original.copy_with(host=addresses[-1])
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the pool."""
        await self._inner.aclose()


def _parse(url: str) -> httpx.URL:
    """A plain http(s) URL without credentials. Raises ForbiddenAddress."""
    try:
        parsed = httpx.URL(url) if len(url) <= MAX_URL_CHARS else None
    except httpx.InvalidURL:
        parsed = None
    if parsed is None or parsed.scheme not in ("http", "https") or not parsed.host:
        raise ForbiddenAddress("Send a http:// or https:// URL of at most 2048 characters.")
    if parsed.userinfo:
        raise ForbiddenAddress("Send a URL without a user name or password.")
    return parsed


def _port(url: httpx.URL) -> int:
    return 443 if url.scheme == "https" else 80


class _Names:
    """Looks up names, on threads of its own: a name server that is slow must hold up nothing else.

    A thread is busy until the system's resolver gives up, whatever our own time limit is.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._pool = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="zhiyin-names")

    async def resolve(self, host: str, port: int) -> list[str]:
        """The host's addresses, all of them checked. Raises ForbiddenAddress or Unreachable."""
        look = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            async with asyncio.timeout(_CONNECT_S):
                found = await asyncio.get_running_loop().run_in_executor(self._pool, look)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise Unreachable("The address's host name can't be resolved.") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not addresses or not all(is_open(a, self._networks) for a in addresses):
            raise ForbiddenAddress("This address is not on the public internet.")
        return addresses

    def close(self) -> None:
        """Wait for no one."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _check_answer(answer: httpx.Response, max_bytes: int) -> None:
    if answer.status_code != 200:
        raise Unreachable(
            f"The recording's server answered with {answer.status_code}.", param="url"
        )
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unreachable("The recording's server sends it compressed.", param="url")
    declared = answer.headers.get("Content-Length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The recording is larger than {max_bytes / (1 << 20):g} MiB.", param="url")
