"""Clients that send recordings to a server, each the next one when the last is answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from bench.manifest import Recording
from bench.measure import spoken_as
from zhiyin.scoring import Edits, score, total

TIMEOUT_S = 1800.0
_OK, _TOO_MANY = 200, 429
NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a recording `latency_s` after it was first sent.

    `status` is the last one, `NO_ANSWER` when the connection failed; `refused` counts the 429s
    before it, whose waiting is part of the latency. `text` is empty unless `status` is 200.
    """

    recording: Recording
    latency_s: float
    status: int
    refused: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether it was recognized."""
        return self.status == _OK


def client(connections: int) -> httpx.AsyncClient:
    """An HTTP client for so many requests at once; no proxy."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, trust_env=False)


async def send(http: httpx.AsyncClient, url: str, recording: Recording) -> Answer:
    """Send a recording until it is not refused for being too many."""
    content = await asyncio.to_thread(recording.path.read_bytes)
    language = spoken_as(recording)
    form = {} if language is None else {"language": language}
    refused = 0
    start = time.perf_counter()
    while True:
        status, text, wait_s = await _post(http, url, (recording.path.name, content), form)
        if status != _TOO_MANY:
            return Answer(recording, time.perf_counter() - start, status, refused, text)
        refused += 1
        await asyncio.sleep(wait_s)


async def _post(
    http: httpx.AsyncClient, url: str, file: tuple[str, bytes], form: dict[str, str]
) -> tuple[int, str, float]:
    """Status, text, and after how many seconds to try again."""
    try:
        response = await http.post(url, files={"file": file}, data=form)
    except httpx.TransportError:
        return NO_ANSWER, "", 0.0
    text = str(response.json()["text"]) if response.status_code == _OK else ""
    return response.status_code, text, float(response.headers.get("Retry-After", 1))


async def closed_loop(
    url: str,
    recordings: Iterable[Recording],
    clients: int,
    answered: Callable[[int], None] = lambda count: None,
) -> list[Answer]:
    """So many clients share the recordings; `answered` is called with how many are done."""
    waiting = iter(recordings)
    answers: list[Answer] = []

    async def work(http: httpx.AsyncClient) -> None:
        for recording in waiting:
            answers.append(await send(http, url, recording))
            answered(len(answers))

    async with client(clients) as http, asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(work(http))
    return answers


def statuses(answers: Sequence[Answer]) -> dict[str, int]:
    """How often each status other than 200 came, refusals included."""
    counted = Counter(str(a.status) for a in answers if not a.ok)
    refused = sum(a.refused for a in answers)
    return dict(counted) | ({str(_TOO_MANY): refused} if refused else {})


def error_rates(answers: Sequence[Answer]) -> dict[str, Any]:
    """Per language of the speech: edits over reference units; a failed request misses all."""
    rates: dict[str, list[Edits]] = {}
    for answer in answers:
        recording = answer.recording
        if not recording.non_speech:
            edits = score(recording.reference, answer.text, recording.lang)
            rates.setdefault(recording.lang, []).append(edits)
    return {lang: total(edits).percent for lang, edits in sorted(rates.items())}
