"""Many clients at once, a third of whom leave: every answer is its own, nothing is left behind."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from functools import partial

import httpx
import numpy as np

from tests.support import media
from tests.support.server import Server

REQUESTS = 90
CLIENTS = 18
NO_STORE = {"Cache-Control": "no-store"}  # each time recognized anew
NAMES = ("en_short", "en_other", "zh_other", "silence")


@dataclass
class Tally:
    left: int = 0
    busy: int = 0
    texts: list[tuple[str, str]] = field(default_factory=list)


def body(name: str) -> bytes:
    if name == "silence":
        return media.wav(np.zeros(3 * media.RATE, np.float32))
    return media.path(name).read_bytes()


async def ask(client: httpx.AsyncClient, name: str) -> httpx.Response:
    fields = {"language": "zh" if name.startswith("zh") else "en"}
    files = {"file": (name, body(name))}
    return await client.post("/recognize", files=files, data=fields, headers=NO_STORE)


async def caller(client: httpx.AsyncClient, seed: int, tally: Tally) -> None:
    draw = random.Random(seed)
    for _ in range(REQUESTS // CLIENTS):
        name = draw.choice(NAMES)
        if draw.random() < 1 / 3:
            try:
                async with asyncio.timeout(draw.uniform(0.05, 0.8)):
                    await ask(client, name)
            except TimeoutError:
                tally.left += 1
            continue
        response = await ask(client, name)
        if response.status_code == 429:
            assert 1 <= int(response.headers["Retry-After"]) <= 120
            tally.busy += 1
            continue
        assert response.status_code == 200, response.text
        tally.texts.append((name, str(response.json()["text"])))


async def test_a_third_of_the_clients_leave_and_the_others_get_their_text(server: Server) -> None:
    tally = Tally()
    async with httpx.AsyncClient(base_url=server.url, timeout=200) as client:
        alone = {name: str((await ask(client, name)).json()["text"]) for name in NAMES}
        assert alone["silence"] == ""
        await asyncio.gather(*(caller(client, seed, tally) for seed in range(CLIENTS)))
        assert tally.left >= 5
        assert len(tally.texts) >= REQUESTS // 2
        assert all(text == alone[name] for name, text in tally.texts)
        ready = await client.get("/health/ready")
        assert ready.status_code == 200
        # Nothing of those who left is still being worked on: the next one is alone.
        after = await ask(client, "en_short")
        assert after.json()["text"] == alone["en_short"]
    assert not [line for line in server.logs if "Traceback" in line]


async def test_short_files_get_through_a_flood_of_long_ones(server: Server) -> None:
    story = media.samples("en_story")
    long = media.encode(np.tile(story, 2), media.Form("mp3", "libmp3lame"))
    async with httpx.AsyncClient(base_url=server.url, timeout=280) as client:
        post = partial(client.post, "/recognize", data={"language": "en"}, headers=NO_STORE)
        jobs = [asyncio.create_task(post(files={"file": long})) for _ in range(4)]
        await asyncio.sleep(1.0)
        for _ in range(3):
            short = await ask(client, "en_short")
            assert short.status_code == 200
            assert not all(job.done() for job in jobs), "they waited for the long ones"
        answers = await asyncio.gather(*jobs)
    assert len({a.json()["text"] for a in answers}) == 1, "the same file, the same text"
