"""`python -m bench.long`: long recordings, each recognizer in a process of its own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import options, provenance
from bench.joined import TEN_MINUTES_S, joined
from bench.manifest import Recording, Selection
from bench.measure import spoken_as
from bench.ours import Zhiyin
from bench.peer import Peer
from bench.peers import PEERS
from bench.resident import peak_mb
from bench.setup import Setup, in_own_process, recognizer
from zhiyin.scoring import metric, score

RESULT = provenance.RESULTS / "long.json"
LONG_S = 60.0
# Speed against errors: shorter pieces and narrower beams are quicker.
OURS = (Zhiyin.name, "zhiyin-6s", "zhiyin-6s-beam1")


@dataclass(frozen=True, slots=True)
class Transcribed:
    """A recording's text after `wall_s`, and the most memory the process held until then."""

    text: str
    wall_s: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class LongResult:
    """One recognizer on one recording of `seconds`; `rtf` is wall time over audio time."""

    recognizer: str
    file: str
    lang: str
    metric: str
    seconds: float
    wall_s: float
    rtf: float
    error_percent: float | None
    peak_mb: float


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    recognizers: Annotated[str, typer.Option(help="Comma list, or `all`.")] = ",".join(
        (*OURS, "faster-whisper", "faster-whisper-batched")
    ),
    languages: options.Languages = "en,zh",
    joined_seconds: Annotated[
        float, typer.Option(help="Length of the joined recordings; 0 makes none.")
    ] = TEN_MINUTES_S,
    found: Annotated[bool, typer.Option(help="Long recordings of the manifest too.")] = True,
    json: options.Json = RESULT,
) -> None:
    """Transcribe long recordings one by one: wall time, error rate, peak memory."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    wanted = frozenset(options.listed(languages))
    recordings = options.selected(manifest, Selection(wanted))
    names = options.known(recognizers, (*OURS, *PEERS), "--recognizers")
    setup = Setup(model, device, threads, compute_type)
    with tempfile.TemporaryDirectory(prefix="zhiyin-bench-") as folder:
        chosen = [r for r in recordings if found and r.seconds > LONG_S]
        if joined_seconds:
            made = sorted(wanted)
            chosen += [joined(recordings, lang, Path(folder), joined_seconds) for lang in made]
        results = [r for name in names for r in _measured(name, setup, chosen)]
    provenance.write(json, provenance.head(given) | {"results": [asdict(r) for r in results]})


def _measured(name: str, setup: Setup, recordings: list[Recording]) -> Iterator[LongResult]:
    console = Console(stderr=True)
    results = in_own_process(transcribe_all, name, setup, recordings)
    for recording, one in zip(recordings, results, strict=True):
        result = LongResult(
            recognizer=name,
            file=recording.file,
            lang=recording.lang,
            metric=metric(recording.lang),
            seconds=recording.seconds,
            wall_s=one.wall_s,
            rtf=one.wall_s / recording.seconds,
            error_percent=score(recording.reference, one.text, recording.lang).percent,
            peak_mb=one.peak_mb,
        )
        console.print(result)
        yield result


def transcribe_all(name: str, setup: Setup, recordings: Sequence[Recording]) -> list[Transcribed]:
    """Load a recognizer and run it over recordings, one after another."""
    with recognizer(name, setup) as peer:
        return [_transcribe(peer, recording) for recording in recordings]


def _transcribe(peer: Peer, recording: Recording) -> Transcribed:
    start = time.perf_counter()
    text = peer.transcribe(recording.path, spoken_as(recording))
    return Transcribed(text, time.perf_counter() - start, peak_mb())


if __name__ == "__main__":
    typer.run(main)
