"""`python -m bench.cache`: how much quicker a recording is that was recognized before."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import options, provenance
from bench.clients import client
from bench.joined import joined
from bench.latency import Latency, latency
from bench.manifest import Selection
from bench.servers import Server, server
from bench.setup import Setup

RESULT = provenance.RESULTS / "cache.json"
_BYTES_PER_S = 32_000  # 16-bit samples, 16 kHz
_NO_STORE = {"Cache-Control": "no-store"}
_TOGETHER = 10


@dataclass(frozen=True, slots=True)
class CacheResult:
    """One store. The same file, first recognized again and again, then served from the cache.

    `ratio` is that of the medians; `together_wall_s` is until ten requests for another recording,
    sent at once, were answered, `together_decoded` how many of them were recognized for it.
    """

    store: str
    decoded: Latency
    hit: Latency
    ratio: float
    together_wall_s: float
    together_decoded: int


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    stores: Annotated[str, typer.Option(help="Comma list of memory, redis.")] = "memory,redis",
    language: Annotated[str, typer.Option(help="Of the recording.")] = "en",
    megabytes: Annotated[float, typer.Option(help="Size of the file, in MiB.")] = 1.0,
    decodes: Annotated[int, typer.Option(help="Requests past the cache.", min=1)] = 10,
    hits: Annotated[int, typer.Option(help="Requests from the cache.", min=1)] = 200,
    json: options.Json = RESULT,
) -> None:
    """Latency of one file without and with the cache; ten requests at once."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    recordings = options.sentences(manifest, Selection(frozenset({language})))
    setup = Setup(model, device, threads, compute_type)
    results: list[CacheResult] = []
    with tempfile.TemporaryDirectory(prefix="zhiyin-bench-") as folder:
        size = int(megabytes * (1 << 20))
        whole = joined(recordings, language, Path(folder), size / _BYTES_PER_S).path.read_bytes()
        for name in options.known(stores, _STORES, "--stores"):
            with _STORES[name]() as url, server("zhiyin", setup, {"ZHIYIN_CACHE__URL": url}) as one:
                result = asyncio.run(_measured(name, one, whole, language, decodes, hits))
            Console(stderr=True).print(result)
            results.append(result)
    content = {"file_bytes": len(whole), "results": [asdict(r) for r in results]}
    provenance.write(json, provenance.head(given) | content)


@contextmanager
def _memory() -> Iterator[str]:
    yield "memory://"


@contextmanager
def _redis() -> Iterator[str]:
    """The Valkey of the tests, on loopback."""
    from tests.support.valkey import valkey

    with valkey() as started:
        yield started.url


_STORES = {"memory": _memory, "redis": _redis}


async def _measured(
    store: str, one: Server, whole: bytes, language: str, decodes: int, hits: int
) -> CacheResult:
    form = {"language": language}
    async with client(_TOGETHER) as http:

        async def send(data: bytes, headers: Mapping[str, str] | None = None) -> tuple[float, str]:
            """Seconds, and what came of the cache. Raises HTTPStatusError."""
            files = {"file": ("a.wav", data)}
            start = time.perf_counter()
            answer = await http.post(one.url, files=files, data=form, headers=headers)
            answer.raise_for_status()
            return time.perf_counter() - start, answer.headers["x-zhiyin-cache"]

        await send(whole)  # warms up, and fills the cache
        past = [await send(whole, _NO_STORE) for _ in range(decodes)]
        answers = [await send(whole) for _ in range(hits)]
        start = time.perf_counter()
        crowd = await asyncio.gather(*(send(_other(whole)) for _ in range(_TOGETHER)))
        wall_s = time.perf_counter() - start
    if {outcome for _, outcome in answers} != {"hit"}:
        raise RuntimeError("the cache did not hold the result")
    decoded, hit = latency(s for s, _ in past), latency(s for s, _ in answers)
    assert decoded is not None
    assert hit is not None
    ratio = decoded.p50_s / hit.p50_s
    missed = sum(outcome == "miss" for _, outcome in crowd)
    return CacheResult(store, decoded, hit, ratio, wall_s, missed)


def _other(whole: bytes) -> bytes:
    """Another recording of the same length: a sample at its end differs."""
    return whole[:-2] + bytes([whole[-2] ^ 1, whole[-1]])


if __name__ == "__main__":
    typer.run(main)
