"""`python -m bench.detection`: speech detection on the same speech loud, quiet and by telephone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
import typer
from av import AudioFrame, AudioResampler
from faster_whisper.vad import get_vad_model
from numpy.typing import NDArray
from rich.console import Console

from bench import options, provenance
from bench.manifest import Recording, Selection
from bench.sound import s16le, samples_of
from zhiyin.audio.vad import SileroVad
from zhiyin.core.segmentation.endpointing import Change, Endpointer, EndpointPolicy
from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.ports.vad import FRAME

RESULT = provenance.RESULTS / "detection.json"
_TELEPHONE_RATE = 8000
_QUIET = 0.05
_LOUD = 0.1
_ENTER, _LEAVE = EndpointPolicy().enter, EndpointPolicy().leave

Speech = NDArray[np.bool_]
Transform = Callable[[Samples], Samples]
Probabilities = Callable[[Samples], NDArray[np.float32]]


@dataclass(slots=True)
class Tally:
    """One detector on one form of the sound, in frames of 32 ms.

    `speech` and `others` are what the reference calls so, `missed` and `false` where the detector
    says the opposite; `segments` is how many live recognition would make of it.
    """

    speech: int = 0
    others: int = 0
    missed: int = 0
    false: int = 0
    segments: int = 0

    def add(self, reference: Speech, probabilities: NDArray[np.float32]) -> None:
        """Count one recording."""
        found = _speech(probabilities)
        self.speech += int(reference.sum())
        self.others += int((~reference).sum())
        self.missed += int((reference & ~found).sum())
        self.false += int((~reference & found).sum())
        self.segments += _segments(probabilities)


def main(
    *,
    manifest: options.ManifestPath = options.MANIFEST,
    languages: options.Languages = "en,zh",
    tags: Annotated[str, typer.Option(help="Kinds of recordings, clean ones.")] = "clean",
    max_seconds: Annotated[float, typer.Option(help="The longest recording.")] = 30.0,
    json: options.Json = RESULT,
) -> None:
    """Frames missed and wrongly called speech, against the peer on the loud full-band sound."""
    given = dict(locals()) | {"load_average_before": provenance.load_average()}
    chosen = Selection(
        frozenset(options.listed(languages)),
        frozenset(options.listed(tags)),
        max_seconds=max_seconds,
    )
    results: list[dict[str, Any]] = []
    recordings = [r for r in options.sentences(manifest, chosen) if r.rate >= SAMPLE_RATE]
    for lang in options.listed(languages):
        tallies = _tallies([r for r in recordings if r.lang == lang])
        for (form, detector), tally in tallies.items():
            one = {"lang": lang, "form": form, "detector": detector} | asdict(tally)
            Console(stderr=True).print(one)
            results.append(one)
    provenance.write(json, provenance.head(given) | {"results": results})


def _tallies(recordings: list[Recording]) -> Mapping[tuple[str, str], Tally]:
    ours, peer = SileroVad(), get_vad_model()
    detectors: dict[str, Probabilities] = {
        "zhiyin": lambda sound: ours.session().probabilities(sound),
        "faster-whisper": lambda sound: np.asarray(peer(sound)).reshape(-1),
    }
    tallies = {(form, name): Tally() for form in _FORMS for name in detectors}
    for recording in recordings:
        sound = samples_of(recording)
        sound = np.pad(sound, (0, -len(sound) % FRAME))
        reference = _speech(detectors["faster-whisper"](_loud(sound)))
        for form, change in _FORMS.items():
            changed = change(sound)
            for name, probabilities in detectors.items():
                tallies[form, name].add(reference, probabilities(changed))
    return tallies


def _speech(probabilities: NDArray[np.float32]) -> Speech:
    """With the hysteresis of the service."""
    found, active = np.zeros(len(probabilities), bool), False
    for i, probability in enumerate(probabilities):
        active = bool(probability >= (_LEAVE if active else _ENTER))
        found[i] = active
    return found


def _segments(probabilities: NDArray[np.float32]) -> int:
    points = Endpointer(EndpointPolicy())
    return sum(points.step(float(p)) is Change.ONSET for p in probabilities)


def _loud(sound: Samples) -> Samples:
    """The louder frames at the loudness that the model knows best."""
    power = np.mean(np.square(sound.reshape(-1, FRAME)), axis=1)
    return sound * np.float32(_LOUD / np.sqrt(np.percentile(power, 90) + 1e-12))


def _rounded(sound: Samples) -> Samples:
    return np.frombuffer(s16le(sound), "<i2").astype(np.float32) / np.float32(32768)


def _companded(sound: Samples) -> Samples:
    """G.711 mu-law, by its formula: 8 bits, finer where the sound is quiet."""
    levels = np.rint(127 * np.sign(sound) * np.log1p(255 * np.abs(sound)) / np.log(256)) / 127
    decoded: Samples = (np.sign(levels) * np.expm1(np.abs(levels) * np.log(256)) / 255).astype("f4")
    return decoded


def _quiet(sound: Samples) -> Samples:
    return _rounded(_QUIET * sound)


def _cut_off(sound: Samples) -> Samples:
    """What `(samples * 32767).astype("int16")` makes of it."""
    return (sound * 32767).astype("<i2").astype(np.float32) / np.float32(32768)


def _telephone(write: Transform) -> Transform:
    """Written down at 8 kHz, and brought back: nothing at all is above 4 kHz."""
    return lambda s: _resampled(
        write(_resampled(s, SAMPLE_RATE, _TELEPHONE_RATE)), _TELEPHONE_RATE, SAMPLE_RATE
    )


def _resampled(sound: Samples, rate: int, wanted: int) -> Samples:
    frame = AudioFrame.from_ndarray(sound[None, :], "fltp", "mono")
    frame.sample_rate = rate
    resampler = AudioResampler("fltp", "mono", wanted)
    parts = [f.to_ndarray()[0] for given in (frame, None) for f in resampler.resample(given)]
    made = np.concatenate(parts)
    size = len(sound) * wanted // rate
    return np.pad(made[:size], (0, max(0, size - len(made))))


_FORMS: dict[str, Transform] = {
    "as recorded": _rounded,
    "26 dB quieter": _quiet,
    "samples cut off": _cut_off,
    "telephone": _telephone(_companded),
    "telephone, 26 dB quieter": _telephone(lambda s: _companded(_QUIET * s)),
    "telephone, samples cut off": _telephone(_cut_off),
}


if __name__ == "__main__":
    typer.run(main)
