"""`python -m bench.stream`: live recognition as its speakers meet it, in real time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from typing import Annotated

import httpx
import psutil
import typer
from rich.console import Console

from bench import options, provenance
from bench.liveness import Liveness, liveness
from bench.manifest import Recording, Selection
from bench.measure import spoken_as
from bench.resident import rss_mb
from bench.servers import Server, server
from bench.setup import Setup
from bench.sound import samples_of
from bench.talking import Manner, together
from zhiyin.scoring import score, total

RESULT = provenance.RESULTS / "stream.json"


@dataclass(frozen=True, slots=True)
class Level:
    """So many clients speaking at once; `cpu_s_per_audio_s` is the server's processor time."""

    clients: int
    lang: str
    manner: str
    frame_ms: int
    cpu_s_per_audio_s: float
    rss_mb: float
    seen: Liveness
    offline_error_percent: float | None


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    languages: options.Languages = "en,zh",
    clients: Annotated[str, typer.Option(help="Comma list of how many.")] = "1,3",
    talks: Annotated[int, typer.Option(help="Recordings per client.", min=1)] = 8,
    manners: Annotated[str, typer.Option(help="Comma list of silence, commit, cut.")] = "all",
    frames_ms: Annotated[str, typer.Option(help="Comma list: sound per message.")] = "100,20",
    min_seconds: Annotated[float, typer.Option(help="Shortest recording.")] = 3.0,
    max_seconds: Annotated[float, typer.Option(help="Longest recording.")] = 20.0,
    seed: options.Seed = 1,
    json: options.Json = RESULT,
) -> None:
    """Speak to zhiyin from several clients: ends by silence, by commit, and cut in mid-word."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    wanted = options.listed(languages)
    chosen = options.sentences(
        manifest,
        Selection(frozenset(wanted), min_seconds=min_seconds, max_seconds=max_seconds),
    )
    random.Random(seed).shuffle(chosen)
    setup = Setup(model, device, threads, compute_type)
    how = options.known(manners, _MANNERS, "--manners")
    rounds = list(_rounds(options.listed(clients), wanted, options.listed(frames_ms), how))
    with server("zhiyin", setup) as started:
        found = list(_shown(_measured(started, chosen, rounds, talks, seed)))
    content = {"levels": [asdict(level) for level in found]}
    provenance.write(json, provenance.head(given) | content)


@dataclass(frozen=True, slots=True)
class Round:
    """What is measured at once."""

    clients: int
    lang: str
    frame_ms: int
    manner: str

    @property
    def speaking(self) -> Manner:
        """How its clients speak."""
        frame_s = self.frame_ms / 1000
        return {
            "silence": Manner(frame_s),
            "commit": Manner(frame_s, commit=True),
            "cut": Manner(frame_s, commit=True, cut_s=2.3),
        }[self.manner]


_MANNERS = ("silence", "commit", "cut")


def _rounds(
    clients: Sequence[str],
    languages: Sequence[str],
    frames_ms: Sequence[str],
    manners: Sequence[str],
) -> Iterator[Round]:
    """All with the first size of frames; with the others one client that commits."""
    first, *others = (int(part) for part in frames_ms)
    for count in (int(part) for part in clients):
        for lang in languages:
            for manner in manners:
                yield Round(count, lang, first, manner)
    for frame_ms in others:
        yield Round(1, languages[0], frame_ms, "commit")


def _measured(
    started: Server, chosen: Sequence[Recording], rounds: Sequence[Round], talks: int, seed: int
) -> Iterator[Level]:
    url = started.url.replace("http:", "ws:").removesuffix("/recognize") + "/v1/stream"
    for one in rounds:
        spoken = [r for r in chosen if r.lang == one.lang]
        jobs = [(r, samples_of(r)) for r in islice(cycle(spoken), one.clients * talks)]
        before = _cpu_s(started.pid)
        seen = asyncio.run(together(url, jobs, one.clients, one.speaking, seed))
        cpu_s = _cpu_s(started.pid) - before
        yield Level(
            one.clients, one.lang, one.manner, one.frame_ms,
            cpu_s / sum(t.sent_s for t in seen), rss_mb(started.pid), liveness(seen, one.lang),
            _offline(started, [recording for recording, _ in jobs]),
        )  # fmt: skip


def _offline(started: Server, recordings: Sequence[Recording]) -> float | None:
    """The error rate of the same recordings as files, in percent."""
    edits = []
    with httpx.Client(trust_env=False, timeout=120) as client:
        for recording in recordings:
            form = {"language": spoken_as(recording) or ""}
            answer = client.post(
                started.url, data=form, files={"file": recording.path.read_bytes()}
            )
            edits.append(score(recording.reference, answer.json()["text"], recording.lang))
    return total(edits).percent


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _shown(levels: Iterator[Level]) -> Iterator[Level]:
    console = Console(stderr=True)
    for level in levels:
        console.print(level)
        yield level


if __name__ == "__main__":
    typer.run(main)
