"""`python -m bench.live_voices`: what live recognition loses against files, voice by voice.

No model and no microphone keeps real time here: sessions run on a virtual clock, so that figures
do not depend on what else the machine does. `--memory` keeps what was decoded for the next run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import options, provenance
from bench.latency import Latency, latency
from bench.manifest import Selection
from bench.ours import model_folder, settings
from bench.sound import samples_of
from bench.virtual_engine import Memory, RememberedBackend, VirtualEngine
from bench.virtual_talks import Manner, Spoken, Utterance, as_file, live
from bench.voices import FORMS, by_voice, halves, seed_of
from zhiyin.core.live.session import SessionPolicy
from zhiyin.domain.engine import Clip, EngineContext
from zhiyin.engines.whisper import policy_files
from zhiyin.engines.whisper.backend import Backend
from zhiyin.engines.whisper.placement import settle_process
from zhiyin.engines.whisper.provider import WhisperProvider
from zhiyin.scoring import score, total

RESULT = provenance.RESULTS / "live_voices.json"
FILE = "file"


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to recognize; each does one thing less differently from a file."""

    name: str
    manner: Manner
    as_files: bool = False
    """Finals are decoded without haste."""


def _arms(rest_s: float, *, detect: bool) -> list[Arm]:
    usual = Manner(rest_s, detect=detect)
    quiet = replace(usual, partials=False)
    return [
        Arm("live", usual),
        Arm("nothing settled", quiet),
        Arm("finals as files", quiet, as_files=True),
        Arm("no cuts", replace(quiet, silence_s=5.0), as_files=True),
    ]


@dataclass(frozen=True, slots=True)
class Line:
    """An arm over the recordings of one half of the voices in one form; `final` as in `Spoken`."""

    lang: str
    half: str
    form: str
    arm: str
    recordings: int
    errors: int
    units: int
    final: Latency | None = None

    @staticmethod
    def of(half: str, arm: str, said: Sequence[Utterance], spoken: Sequence[Spoken]) -> Line:
        """The sum."""
        lang = said[0].recording.lang
        pairs = zip(said, spoken, strict=True)
        edits = total([score(u.recording.reference, s.text, lang) for u, s in pairs])
        final = None if arm == FILE else latency(s.final_s for s in spoken)
        return Line(lang, half, said[0].form, arm, len(said), edits.total, edits.units, final)


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    threads: options.Threads = 2,
    languages: options.Languages = "en,zh",
    forms: Annotated[str, typer.Option(help="Comma list, or `all`.")] = "all",
    arms: Annotated[str, typer.Option(help="Comma list, or `all`.")] = "all",
    most: Annotated[int, typer.Option(help="Recordings of a voice.", min=1)] = 3,
    min_seconds: Annotated[float, typer.Option(help="Shortest recording.")] = 3.0,
    max_seconds: Annotated[float, typer.Option(help="Longest recording.")] = 20.0,
    rest_s: Annotated[float, typer.Option(help="Silence after it; 0: its end is the end.")] = 0.0,
    detect: Annotated[bool, typer.Option(help="Name no language.")] = False,
    clients: Annotated[int, typer.Option(help="Speakers at once.", min=1)] = 1,
    slowness: Annotated[float, typer.Option(help="1: two idle cores of a Xeon.")] = 2.5,
    memory: Annotated[Path | None, typer.Option(help="File of what was decoded.")] = None,
    json: options.Json = RESULT,
) -> None:
    """Speak recordings of many voices to live sessions on a virtual clock, and as files."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    known = {arm.name: arm for arm in _arms(rest_s, detect=detect)}
    chosen = [known[name] for name in options.known(arms, list(known), "--arms")]
    console, lines = Console(stderr=True), list[Line]()
    with tempfile.TemporaryDirectory(prefix="zhiyin-bench-") as folder:
        kept = Memory(memory or Path(folder) / "decoded")
        make = _maker(model, threads, kept, slowness)
        for lang in options.listed(languages):
            selection = Selection(
                frozenset({lang}), min_seconds=min_seconds, max_seconds=max_seconds
            )
            parts = halves(by_voice(options.sentences(manifest, selection), most))
            for form in options.known(forms, list(FORMS), "--forms"):
                for half, recordings in parts.items():
                    said = [
                        Utterance(r, form, FORMS[form](samples_of(r), seed_of(r)))
                        for r in recordings
                    ]
                    for line in _measured(half, said, chosen, make, clients, detect=detect):
                        console.print(line)
                        lines.append(line)
    provenance.write(json, provenance.head(given) | {"lines": [asdict(line) for line in lines]})


Make = Callable[[bool], VirtualEngine]
"""An engine; with True its finals are decoded as files are."""


def _measured(
    half: str, said: Sequence[Utterance], arms: Sequence[Arm], make: Make, clients: int,
    *, detect: bool,
) -> Iterator[Line]:  # fmt: skip
    files = [Spoken(as_file(make(False), one, detect=detect), 0.0, 1) for one in said]
    yield Line.of(half, FILE, said, files)
    for arm in arms:
        spoken = live(make(arm.as_files), said, arm.manner, SessionPolicy(), clients)
        yield Line.of(half, arm.name, said, spoken)


def _maker(model: str, threads: int, memory: Memory, slowness: float) -> Make:
    settle_process()
    folder = model_folder(settings(model, "cpu", threads, "int8"))
    backend = RememberedBackend(Backend(folder, "cpu", "int8", threads=threads, workers=1), memory)
    policies = policy_files.load(model, folder / "no operator's own")
    models = WhisperProvider(EngineContext(folder.parent)).models()
    info = next(m for m in models if m.id == model)

    def make(as_files: bool) -> VirtualEngine:
        return VirtualEngine(backend, policies, info, slowness, _calm if as_files else _same)

    return make


def _calm(clip: Clip) -> Clip:
    return replace(clip, urgent=False)


def _same(clip: Clip) -> Clip:
    return clip


if __name__ == "__main__":
    typer.run(main)
