"""Many callers at once: nobody sees, blocks or harms another."""

from __future__ import annotations

import asyncio
import socket
import threading
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil

from tests.support import media
from tests.support.server import Server

CALLERS = {
    "en_other": "Flowers and rabbits in a garden.",
    "en_sentences": "Minutes of the committee.",
    "zh_other": "北京旅行。",
    "zh_sentences": "公司通知。",
}


NO_STORE = {"Cache-Control": "no-store"}  # each time recognized anew


async def ask(client: httpx.AsyncClient, name: str, **fields: str) -> str:
    files = {"file": (f"{name}.flac", media.path(name).read_bytes())}
    response = await client.post("/recognize", files=files, data=fields, headers=NO_STORE)
    assert response.status_code == 200, response.text
    return str(response.json()["text"])


async def test_callers_get_their_own_text_and_never_a_neighbours(server_url: str) -> None:
    async with httpx.AsyncClient(base_url=server_url, timeout=120) as client:
        alone = {n: await ask(client, n, prompt=p, language=n[:2]) for n, p in CALLERS.items()}
        names = [*CALLERS] * 4
        together = await asyncio.gather(
            *(ask(client, n, prompt=CALLERS[n], language=n[:2]) for n in names)
        )
    for name, text in zip(names, together, strict=True):
        assert text == alone[name], "a neighbour changed the text"
        assert media.heard(media.reference(name), text) > 0.7


async def test_the_loop_turns_while_a_long_file_is_recognized(server_url: str) -> None:
    """/health/live is answered again and again, and a short file overtakes a long one."""
    story = media.samples("en_story")
    long = media.encode(np.tile(story, 4), media.Form("mp3", "libmp3lame"))
    async with httpx.AsyncClient(base_url=server_url, timeout=280) as client:
        files = {"file": ("long.mp3", long)}
        job = asyncio.create_task(client.post("/recognize", files=files, data={"language": "en"}))
        await asyncio.sleep(1.0)
        answered = 0
        short = await ask(client, "en_short", language="en")
        assert not job.done(), "the short file waited for the whole long one"
        while not job.done():
            response = await client.get("/health/live", timeout=5)
            answered += response.status_code == 200
            await asyncio.sleep(0.1)
        body = (await job).json()
    assert media.heard(media.reference("en_short"), short) > 0.9
    assert answered > 10
    assert body["text"].lower().count("every spring") == 4


def test_a_client_that_leaves_costs_nothing_more(server: Server) -> None:
    """The engine is free again soon after the client of a long file has gone."""
    story = media.encode(np.tile(media.samples("en_story"), 10), media.Form("mp3", "libmp3lame"))
    parts = urlsplit(server.url)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n'
    body = head + story + b"\r\n--b--\r\n"
    request = (
        f"POST /recognize HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    ).encode()
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(request + body)
        threading.Event().wait(2.0)
    threading.Event().wait(3.0)
    process = psutil.Process(server.process.pid)
    before = sum(process.cpu_times()[:2])
    threading.Event().wait(3.0)
    spent = sum(process.cpu_times()[:2]) - before
    assert spent < 1.0, f"{spent} CPU-seconds were spent for nobody"


async def test_a_hundred_requests_leave_memory_flat(server: Server) -> None:
    process = psutil.Process(server.process.pid)
    async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:

        async def some(count: int) -> int:
            for _ in range(count // 4):
                await asyncio.gather(*(ask(client, "en_short", language="en") for _ in range(4)))
            return int(process.memory_info().rss)

        warm = await some(40)
        after = await some(100)
    assert after - warm < 30 << 20, f"grew by {(after - warm) >> 20} MiB"


async def test_broken_neighbours_do_no_harm(server_url: str) -> None:
    async with httpx.AsyncClient(base_url=server_url, timeout=120) as client:

        async def broken(i: int) -> int:
            data = np.random.default_rng(i).bytes(50_000)
            response = await client.post("/recognize", files={"file": ("x.wav", data)})
            return response.status_code

        good = [ask(client, "en_short", language="en") for _ in range(6)]
        bad = [broken(i) for i in range(12)]
        results = await asyncio.gather(*good, *bad)
    for text in results[:6]:
        assert media.heard(media.reference("en_short"), str(text)) > 0.9
    assert set(results[6:]) == {400}
