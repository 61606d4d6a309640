"""Addresses that clients may make this service reach, and the many ways to name the others."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.webhook_receiver import Receiver, receiver
from zhiyin.domain.errors import AsrError, ConfigError, ForbiddenAddress, TooLarge, Unreachable
from zhiyin.net.addresses import is_open, parse_networks
from zhiyin.net.web import GuardedWeb, WebLimits

CLOSED = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
    "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:7f00:1::", "::127.0.0.1", "2001:db8::1",
    "fec0::1", "feff::1", "3ffe::1", "3fff::1", "4000::1", "5f00::1", "100::1", "2001:20::1",
    "64:ff9b:1::1", "::ffff:0:10.0.0.1", "2002:808:808::1", "2620:4f:8000::1", "192.88.99.1",
    "192.175.48.1", "192.31.196.1", "192.52.193.1", "198.51.100.1", "203.0.113.1", "192.0.2.1",
    "100.127.255.255", "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:10.0.0.1",
]  # fmt: skip
OPEN = [
    "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "2001:4860:4860::8888",
    "2a00:1450::1", "100.128.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", CLOSED)
def test_private_addresses_are_closed(address: str) -> None:
    assert not is_open(address, ())


@pytest.mark.parametrize("address", OPEN)
def test_public_addresses_are_open(address: str) -> None:
    assert is_open(address, ())


def test_an_operator_may_open_networks() -> None:
    networks = parse_networks(["10.0.0.0/8", "fd00::/8"], "jobs.networks")
    assert is_open("10.1.2.3", networks)
    assert is_open("::ffff:10.1.2.3", networks)
    assert is_open("fd12::1", networks)
    assert not is_open("192.168.1.1", networks)
    with pytest.raises(ConfigError, match=r"jobs\.networks"):
        parse_networks(["10.0.0.0/33"], "jobs.networks")


URLS = [
    "http://127.0.0.1/", "http://localhost/", "http://2130706433/", "http://0x7f000001/",
    "http://017700000001/", "http://127.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/",
    "http://0/", "http://169.254.169.254/latest/meta-data/", "https://10.0.0.1:8443/x",
    "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://[fe80::1%25lo]/",
    "file:///etc/passwd", "gopher://127.0.0.1/", "ftp://1.1.1.1/", "//127.0.0.1/", "/etc/passwd",
    "", "http://", "http:///x", "http://user@1.1.1.1/", "http://user:password@1.1.1.1/",
    "http://1.1.1.1@127.0.0.1/", "http://127.0.0.1#@1.1.1.1/", "http://1.1.1.1\r\nHost: x/",
    "http://[::1", "http://x:99999999/", "javascript:alert(1)", "http://" + "a" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
async def test_no_way_to_write_it_gets_through(url: str) -> None:
    web = GuardedWeb(WebLimits(5.0, 5.0))
    try:
        with pytest.raises((ForbiddenAddress, Unreachable)):
            await web.check(url)
        with pytest.raises((ForbiddenAddress, Unreachable)):
            await web.post(url, {}, b"")
        with pytest.raises((ForbiddenAddress, Unreachable)):
            await fetched(web, url)
    finally:
        await web.close()


async def fetched(web: GuardedWeb, url: str, max_bytes: int = 1 << 20) -> bytes:
    return b"".join([chunk async for chunk in web.fetch(url, max_bytes)])


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as started:
        yield started


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Answers of the name server: each look at a name takes the next, the last one stays."""
    answers: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def look(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host not in answers:
            return real(host, port, *more, **options)
        held = answers[host]
        found = held.pop(0) if len(held) > 1 else held[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in found]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    return answers


def web_for_loopback(**limits: float) -> GuardedWeb:
    """As an operator would allow exactly 127.0.0.1."""
    networks = parse_networks(["127.0.0.1/32"], "x")
    return GuardedWeb(WebLimits(limits.get("fetch_s", 10.0), 10.0, networks))


async def test_the_connection_goes_to_the_address_that_was_checked(
    there: Receiver, names: dict[str, list[list[str]]]
) -> None:
    """A name that means something else a moment later: the second meaning is never asked for."""
    port = there.url.rsplit(":", 1)[1]
    there.files["/a"] = b"sound"
    names["rebind.example"] = [["127.0.0.1"], ["10.0.0.1"]]
    web = web_for_loopback()
    assert await fetched(web, f"http://rebind.example:{port}/a") == b"sound"
    with pytest.raises(ForbiddenAddress):
        await fetched(web, f"http://rebind.example:{port}/a")
    await web.close()


async def test_one_private_address_among_public_ones_is_enough_to_refuse(
    names: dict[str, list[list[str]]],
) -> None:
    names["both.example"] = [["1.1.1.1", "10.0.0.1"]]
    web = GuardedWeb(WebLimits(5.0, 5.0))
    with pytest.raises(ForbiddenAddress):
        await web.check("https://both.example/")
    await web.close()


@pytest.mark.parametrize(
    "target",
    ["http://10.0.0.1/secret", "http://[::1]/secret", "http://169.254.169.254/", "file:///etc/passwd",
     "http://localhost.inside/"],
)  # fmt: skip
async def test_redirects_are_checked_too(
    there: Receiver, names: dict[str, list[list[str]]], target: str
) -> None:
    names["localhost.inside"] = [["127.0.0.2"]]
    there.redirects["/in"] = target
    web = web_for_loopback()
    with pytest.raises(AsrError) as caught:
        await fetched(web, f"{there.url}/in")
    assert isinstance(caught.value, ForbiddenAddress | Unreachable)
    assert there.asked == ["/in"]
    await web.close()


async def test_redirects_come_to_an_end(there: Receiver) -> None:
    there.redirects["/round"] = f"{there.url}/round"
    web = web_for_loopback()
    with pytest.raises(Unreachable):
        await fetched(web, f"{there.url}/round")
    assert len(there.asked) <= 7
    await web.close()


async def test_bytes_are_bounded(there: Receiver) -> None:
    there.files["/big"] = bytes(3 << 20)
    web = web_for_loopback()
    with pytest.raises(TooLarge):
        await fetched(web, f"{there.url}/big")
    assert len(await fetched(web, f"{there.url}/big", 3 << 20)) == 3 << 20
    await web.close()


async def test_time_is_bounded() -> None:
    """A server that sends a byte now and then."""

    async def dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        except OSError:
            writer.close()

    slow = await asyncio.start_server(dawdle, "127.0.0.1", 0)
    port = slow.sockets[0].getsockname()[1]
    web = web_for_loopback(fetch_s=0.5)
    with pytest.raises(Unreachable):
        await fetched(web, f"http://127.0.0.1:{port}/")
    await web.close()
    slow.close()


async def test_what_is_not_there_is_unreachable(there: Receiver) -> None:
    web = web_for_loopback()
    with pytest.raises(Unreachable):
        await fetched(web, f"{there.url}/nothing")
    with pytest.raises(Unreachable):
        await web.post("http://127.0.0.1:1/", {}, b"")
    with pytest.raises(Unreachable):
        await web.check("http://name.invalid/")
    await web.close()


async def test_no_cookies_and_no_credentials_go_from_one_request_to_another() -> None:
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        place = b"Location: /next\r\n" if b" /first " in heads[-1] else b""
        writer.write(
            b"HTTP/1.1 %s\r\nSet-Cookie: tenant=A-secret; Path=/\r\n%s"
            b"Set-Cookie: other=B-secret; Domain=localhost\r\nContent-Length: 0\r\n\r\n"
            % (b"302 Found" if place else b"200 OK", place)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    web = web_for_loopback()
    for _ in range(2):
        await fetched(web, f"{url}/first")
    await web.post(f"{url}/hook", {}, b"{}")
    assert len(heads) == 5
    assert not any(b"secret" in head or b"Authorization" in head for head in heads)
    assert len(web._client.cookies.jar) == 0, "nothing grows either"
    await web.close()
    server.close()


async def test_a_slow_name_server_holds_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def look(host: str, port: int, **_: Any) -> Any:
        answered.wait()
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", look)
    web = web_for_loopback()
    lookups = [asyncio.create_task(web.check(f"http://n{n}.example/")) for n in range(64)]
    try:
        async with asyncio.timeout(60):
            assert await asyncio.to_thread(lambda: "done") == "done"
    finally:
        answered.set()
    found = await asyncio.gather(*lookups, return_exceptions=True)
    assert all(isinstance(error, Unreachable) for error in found)
    await web.close()


async def test_all_addresses_of_a_name_are_tried(
    there: Receiver, names: dict[str, list[list[str]]]
) -> None:
    """The server listens on 127.0.0.1 only; at the others nobody does."""
    port = there.url.rsplit(":", 1)[1]
    there.files["/a"] = b"sound"
    names["many.example"] = [["127.0.0.3", "127.0.0.3", "127.0.0.2", "127.0.0.1"]]
    names["none.example"] = [["127.0.0.2", "127.0.0.3"]]
    web = GuardedWeb(WebLimits(10.0, 10.0, parse_networks(["127.0.0.0/8"], "x")))
    assert await fetched(web, f"http://many.example:{port}/a") == b"sound"
    assert await web.post(f"http://many.example:{port}/h", {}, b"{}") == 204
    assert there.messages[0].headers["host"] == f"many.example:{port}"
    with pytest.raises(Unreachable):
        await fetched(web, f"http://none.example:{port}/a")
    await web.close()


async def test_the_host_header_keeps_the_name(
    there: Receiver, names: dict[str, list[list[str]]]
) -> None:
    port = there.url.rsplit(":", 1)[1]
    names["hook.example"] = [["127.0.0.1"]]
    web = web_for_loopback()
    headers = {"webhook-id": "msg_1", "Content-Type": "application/json"}
    assert await web.post(f"http://hook.example:{port}/h", headers, b"{}") == 204
    assert there.messages[0].headers["host"] == f"hook.example:{port}"
    await web.close()
