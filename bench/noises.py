"""`python -m bench.noises`: text that zhiyin writes where nobody speaks, in several forms."""

from __future__ import annotations

import tempfile
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from bench import options, provenance
from bench.manifest import NON_SPEECH, Selection
from bench.ours import Zhiyin, settings
from bench.sound import s16le, samples_of
from zhiyin.domain.audio import SAMPLE_RATE, Samples

RESULT = provenance.RESULTS / "noises.json"


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    model: options.Model = "whisper-base",
    device: options.Device = "cpu",
    threads: options.Threads = 2,
    compute_type: options.ComputeType = "int8",
    languages: Annotated[str, typer.Option(help="Comma list; `und` names none.")] = "und,en,zh",
    json: options.Json = RESULT,
) -> None:
    """Count recordings without speech that get a text; any is wrong."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    selection = Selection(frozenset({NON_SPEECH}))
    sounds = [samples_of(r) for r in options.selected(manifest, selection)]
    results: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Zhiyin(settings(model, device, threads, compute_type)) as zhiyin,
    ):
        path = Path(folder) / "noise.wav"
        for form, change in FORMS.items():
            for language in options.listed(languages):
                texts = [_text(zhiyin, path, change(sound), language) for sound in sounds]
                one = _counts(texts) | {"form": form, "language": language}
                Console(stderr=True).print(one)
                results.append(one)
    provenance.write(json, provenance.head(given) | {"results": results})


def _text(zhiyin: Zhiyin, path: Path, sound: Samples, language: str) -> str:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(s16le(sound))
    return zhiyin.transcribe(path, None if language == "und" else language)


def _counts(texts: list[str]) -> dict[str, Any]:
    invented = sum(bool(text) for text in texts)
    return {"files": len(texts), "invented_files": invented, "characters": len("".join(texts))}


def _at_speed(factor: float) -> Callable[[Samples], Samples]:
    def changed(sound: Samples) -> Samples:
        times = np.arange(0, len(sound) - 1, factor)
        faster: Samples = np.interp(times, np.arange(len(sound)), sound).astype(np.float32)
        return faster

    return changed


def _hissing(sound: Samples) -> Samples:
    level = np.float32(np.sqrt(np.mean(np.square(sound))) * 0.3)
    noise = np.random.default_rng(1).standard_normal(len(sound)).astype(np.float32)
    return sound + level * noise


FORMS: dict[str, Callable[[Samples], Samples]] = {
    "as it is": lambda sound: sound,
    "quiet": lambda sound: sound * np.float32(0.1),
    "too loud": lambda sound: np.clip(sound * np.float32(5), -1, 1),
    "first half": lambda sound: sound[: len(sound) // 2],
    "second half": lambda sound: sound[len(sound) // 2 :],
    "faster": _at_speed(1.15),
    "slower": _at_speed(0.87),
    "hissing": _hissing,
}


if __name__ == "__main__":
    typer.run(main)
