"""`python -m bench.history`: the history over HTTP, in SQLite and MariaDB, plain and encrypted."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

import httpx
import typer
from rich.console import Console
from tools.mariadb import MariaDb

from bench import history_plans, options, provenance
from bench.history_rows import ABSENT, FREQUENT, RARE, fill
from bench.latency import Latency, latency
from bench.servers import server
from bench.setup import Setup
from zhiyin.store.cipher_aesgcm import AesRing, generate, parse_keys
from zhiyin.store.cipher_plain import PlainRing
from zhiyin.store.history_sql.database import history_database
from zhiyin.store.history_sql.store import SqlHistory
from zhiyin.store.sql.engine import DatabaseOptions

RESULT = provenance.RESULTS / "history.json"
_HISTORY = "/v1/history"
_SAMPLE = Path("src/zhiyin/samples/en.flac")
_WORDS = {"rare word": RARE, "frequent word": FREQUENT, "no hit": ABSENT,
          "two words": f"{FREQUENT}{RARE}", "one character": RARE[0]}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Read:
    """One kind of question, asked again and again by one client."""

    database: str
    encrypted: bool
    rows: int
    question: str
    latency: Latency | None


@dataclass(frozen=True, slots=True)
class Write:
    """Answers to the same recording, with and without keeping them, in turn."""

    database: str
    encrypted: bool
    kept: Latency | None
    not_kept: Latency | None


@dataclass(slots=True)
class Found:
    """All results."""

    reads: list[Read] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    plans: list[history_plans.Plan] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """A database that is measured."""

    name: str
    url: str
    keys: str

    @property
    def environment(self) -> Mapping[str, str]:
        """Settings for a server."""
        return {
            "ZHIYIN_HISTORY__URL": self.url,
            "ZHIYIN_HISTORY__RETENTION_DAYS": "0",
            "ZHIYIN_ENCRYPTION__KEYS": self.keys,
        }

    def history(self) -> SqlHistory:
        """The history itself, for filling."""
        ring = AesRing(parse_keys(self.keys)) if self.keys else PlainRing()
        return SqlHistory(history_database(self.url, DatabaseOptions(timeout_s=600)), ring)


def main(
    *,
    databases: Annotated[str, typer.Option(help="Comma list of sqlite, mariadb.")] = "all",
    rows: Annotated[int, typer.Option(help="Transcripts to list and search.", min=10)] = 10_000,
    times: Annotated[int, typer.Option(help="How often each question is asked.", min=1)] = 100,
    answers: Annotated[int, typer.Option(help="Recordings sent, kept and not kept.", min=0)] = 50,
    large: Annotated[
        int, typer.Option(help="Also so many rows in MariaDB, with plans; 0 for none.", min=0)
    ] = 0,
    buffer_pool_mb: Annotated[int, typer.Option(help="Of MariaDB.", min=5)] = 512,
    model: options.Model = "whisper-base",
    threads: options.Threads = 2,
    seed: options.Seed = 1,
    json: options.Json = RESULT,
) -> None:
    """List, search and write, with one client; every time is that of the whole HTTP answer."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    setup = Setup(model, "cpu", threads, "int8")
    names = options.known(databases, ("sqlite", "mariadb"), "--databases")
    found = Found()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zhiyin-bench-")))
        maria = None
        if "mariadb" in names:
            size = f"--innodb-buffer-pool-size={buffer_pool_mb}M"
            maria = stack.enter_context(MariaDb(folder / "mariadb", size))
        for place in _places(names, folder, maria):
            asyncio.run(_prepared(place, rows, seed))
            with _serving(place, setup) as base:
                found.reads += _shown(_read(base, place, rows, times))
                found.writes += _shown(_written(base, place, answers))
        if maria is not None and large:
            place = _place("large", maria, "")
            asyncio.run(_prepared(place, large, seed))
            found.plans += history_plans.plans(maria, "large", _WORDS)
            with _serving(place, setup) as base:
                found.reads += _shown(_read(base, place, large, times))
    provenance.write(json, provenance.head(given) | asdict(found))


def _places(names: list[str], folder: Path, maria: MariaDb | None) -> Iterator[Place]:
    for encrypted in (False, True):
        keys = generate() if encrypted else ""
        if "sqlite" in names:
            yield Place("sqlite", f"sqlite+aiosqlite:///{folder}/{encrypted}.db", keys)
        if maria is not None:
            yield _place("encrypted" if encrypted else "plain", maria, keys)


def _place(database: str, maria: MariaDb, keys: str) -> Place:
    maria.sql(f"CREATE DATABASE {database}")
    return Place("mariadb", maria.url(database), keys)


async def _prepared(place: Place, rows: int, seed: int) -> None:
    history = place.history()
    try:
        await history.migrate()
        await fill(history, rows, seed)
    finally:
        await history.close()


@contextmanager
def _serving(place: Place, setup: Setup) -> Iterator[str]:
    os.environ.update(place.environment)
    try:
        with server("zhiyin", setup) as started:
            yield started.url.removesuffix("/recognize")
    finally:
        for name in place.environment:
            del os.environ[name]


def _read(base: str, place: Place, rows: int, times: int) -> Iterator[Read]:
    with httpx.Client(base_url=base, trust_env=False, timeout=600) as http:
        deep = http.get(
            _HISTORY, params={"to": "2026-01-01T00:30:00", "limit": 1}
        ).raise_for_status()
        questions = {
            "first page": {},
            "deep page": {"cursor": deep.json()["next_cursor"]},
            "language": {"language": "en"},
        } | {f"search, {name}": {"q": word} for name, word in _WORDS.items()}
        for question, params in questions.items():
            taken = [_timed(http, params) for _ in range(times + 1)][1:]
            yield Read(place.name, bool(place.keys), rows, question, latency(taken))


def _timed(http: httpx.Client, params: Mapping[str, str]) -> float:
    start = time.perf_counter()
    http.get(_HISTORY, params=params).raise_for_status()
    return time.perf_counter() - start


def _written(base: str, place: Place, answers: int) -> Iterator[Write]:
    taken: dict[str, list[float]] = {"true": [], "false": []}
    with httpx.Client(trust_env=False, timeout=600) as http:
        for number in range(2 * answers + 2):
            store = ("true", "false")[(number + number // 2) % 2]
            content = _SAMPLE.read_bytes()
            start = time.perf_counter()
            http.post(
                f"{base}/recognize", files={"file": content},
                data={"language": "en", "store": store},
            ).raise_for_status()  # fmt: skip
            if number >= 2:  # the first two warm up
                taken[store].append(time.perf_counter() - start)
    yield Write(place.name, bool(place.keys), latency(taken["true"]), latency(taken["false"]))


T = TypeVar("T")


def _shown(found: Iterator[T]) -> Iterator[T]:
    console = Console(stderr=True)
    for one in found:
        console.print(one)
        yield one


if __name__ == "__main__":
    typer.run(main)
