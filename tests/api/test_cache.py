"""Repeated requests on a real server: told again, not decoded again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support import media
from tests.support.server import Server, running
from tests.support.valkey import Valkey, valkey

HEADER = "x-zhiyin-cache"


def fresh(seed: int) -> bytes:
    """A recording with speech that no test has sent before: the same words in a little noise."""
    sound = media.samples("en_short")
    noise = np.random.default_rng(seed).normal(0, 1e-4, len(sound)).astype(np.float32)
    return media.wav(sound + noise)


def ask(
    client: httpx.Client,
    sound: bytes,
    fields: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    files = {"file": ("a.wav", sound)}
    wanted = {"language": "en"} | (fields or {})
    answer = client.post("/recognize", files=files, data=wanted, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


@contextmanager
def served(data_dir: Path, **env: str) -> Iterator[httpx.Client]:
    """A client of a server of its own."""
    with (
        running(data_dir, **env) as server,
        httpx.Client(base_url=server.url, timeout=120) as client,
    ):
        yield client


def until_hit(client: httpx.Client, sound: bytes) -> None:
    """Until the server has found its cache again."""
    end = time.monotonic() + 60
    while ask(client, sound).headers[HEADER] != "hit":
        assert time.monotonic() < end


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=120) as made:
        yield made


def test_the_second_time_is_a_hit_with_the_same_answer(client: httpx.Client) -> None:
    data = fresh(1)
    first, second = ask(client, data), ask(client, data)
    assert [first.headers[HEADER], second.headers[HEADER]] == ["miss", "hit"]
    bodies = [answer.json() for answer in (first, second)]
    assert bodies[0].pop("id") != bodies[1].pop("id")
    assert bodies[0] == bodies[1]
    assert media.heard(media.reference("en_short"), bodies[0]["text"]) > 0.8


def test_other_options_are_recognized_anew_and_other_forms_are_not(client: httpx.Client) -> None:
    data = fresh(2)
    outcomes = [
        ask(client, data, fields).headers[HEADER]
        for fields in (
            {},
            {"response_format": "srt"},
            {"words": "true"},
            {"prompt": "A house."},
            {"model": "whisper-1"},
            {"temperature": "0.4"},
        )
    ]
    assert outcomes == ["miss", "hit", "miss", "miss", "hit", "bypass"]


@pytest.mark.parametrize("value", ["no-store", "no-cache, No-Store"])
def test_no_store_neither_reads_nor_writes(client: httpx.Client, value: str) -> None:
    data = fresh(len(value))
    headers = {"Cache-Control": value}
    assert ask(client, data, headers=headers).headers[HEADER] == "bypass"
    assert ask(client, data).headers[HEADER] == "miss"
    assert ask(client, data, headers=headers).headers[HEADER] == "bypass"


def test_the_openai_addresses_share_results_with_ours(client: httpx.Client) -> None:
    data = fresh(3)
    ask(client, data)
    files = {"file": ("a.wav", data)}
    fields = {"model": "whisper-1", "language": "en"}
    answer = client.post("/v1/audio/transcriptions", files=files, data=fields)
    assert answer.headers[HEADER] == "hit"
    outcomes = [
        client.post("/v1/audio/translations", files=files, data={"model": "whisper-1"}).headers
        for _ in range(2)
    ]
    assert [found[HEADER] for found in outcomes] == ["miss", "hit"]


def test_a_stream_from_the_cache_tells_the_same(client: httpx.Client) -> None:
    data = media.wav(media.samples("en_sentences"))
    fields = {"model": "whisper-1", "language": "en", "stream": "true"}
    told: list[list[dict[str, Any]]] = []
    for expected in ("miss", "hit"):
        files = {"file": ("a.wav", data)}
        answer = client.post("/v1/audio/transcriptions", files=files, data=fields)
        assert answer.headers[HEADER] == expected
        told.append(_events(answer.text))
        deltas = [e["delta"] for e in told[-1] if e["type"] == "transcript.text.delta"]
        assert "".join(deltas) == told[-1][-1]["text"]
    assert told[0] == told[1]
    ours = ask(client, data, {"stream": "true"})
    assert ours.headers[HEADER] == "hit"
    kinds = [e["type"] for e in _events(ours.text)]
    assert (kinds[0], kinds[-1]) == ("progress", "done")


async def test_ten_at_once_are_decoded_once(server: Server) -> None:
    data = fresh(4)

    async def one(client: httpx.AsyncClient, path: str) -> tuple[str, str]:
        fields = {"language": "en", "model": "whisper-1", "response_format": "verbose_json"}
        answer = await client.post(path, files={"file": ("a.wav", data)}, data=fields)
        assert answer.status_code == 200, answer.text
        return answer.headers[HEADER], answer.json()["text"]

    async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:
        paths = ["/recognize", "/v1/audio/transcriptions"] * 5
        answers = await asyncio.gather(*(one(client, path) for path in paths))
    assert sorted(outcome for outcome, _ in answers) == ["hit"] * 9 + ["miss"]
    assert len({text for _, text in answers}) == 1


def test_off_is_off(data_dir: Path) -> None:
    with served(data_dir, ZHIYIN_CACHE__URL="off") as client:
        data = fresh(5)
        assert [ask(client, data).headers[HEADER] for _ in range(2)] == ["bypass"] * 2


@pytest.fixture
def store() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


def test_servers_share_redis_and_live_without_it(data_dir: Path, store: Valkey) -> None:
    data = fresh(6)
    word = "kitchen"
    env = {"ZHIYIN_CACHE__URL": store.url}
    with running(data_dir, **env) as one, running(data_dir, **env) as other:
        with (
            httpx.Client(base_url=one.url, timeout=120) as first,
            httpx.Client(base_url=other.url, timeout=120) as second,
        ):
            assert ask(first, data).headers[HEADER] == "miss"
            hit = ask(second, data)
            assert (hit.headers[HEADER], word in hit.text) == ("hit", True)
            store.kill()
            for client in (first, second):
                outcomes = [ask(client, data).headers[HEADER] for _ in range(2)]
                assert outcomes == ["bypass", "bypass"]
            store.start()
            until_hit(first, data)
            until_hit(second, data)
        assert sum("is away" in line for line in one.logs) == 1


def test_a_redis_that_was_never_there_stops_nothing(data_dir: Path, store: Valkey) -> None:
    store.kill()
    with served(data_dir, ZHIYIN_CACHE__URL=store.url) as client:
        assert ask(client, fresh(7)).headers[HEADER] == "bypass"
        store.start()
        until_hit(client, fresh(7))


def test_redis_holds_no_words_of_names(data_dir: Path, store: Valkey) -> None:
    """Nothing names whom or what a value is of; without a key the text is in it, compressed."""
    with served(data_dir, ZHIYIN_CACHE__URL=store.url) as client:
        ask(client, fresh(8), {"prompt": "Zebra Holdings"})
    with store.client() as raw:
        everything = b"".join(key + (raw.get(key) or b"") for key in raw.keys("*"))
    assert everything
    assert not any(word in everything for word in (b"anonymous", b"a.wav", b"Zebra"))


def _events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n\n") if line]


def test_jobs_and_requests_share_results(client: httpx.Client) -> None:
    data = fresh(77)
    form = {"language": "en"}
    job = client.post("/v1/jobs", files={"file": ("a.wav", data)}, data=form).json()
    end = time.monotonic() + 60
    while (told := client.get(f"/v1/jobs/{job['id']}").json())["state"] != "done":
        assert time.monotonic() < end, told
        time.sleep(0.05)
    answer = ask(client, data)
    assert answer.headers[HEADER] == "hit"
    assert client.get(told["result_url"]).json()["text"] == answer.json()["text"]
