"""Long recordings made by joining short ones, so that every word has a reference."""

from __future__ import annotations

import random
import wave
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.manifest import Recording
from zhiyin.scoring import metric

TEN_MINUTES_S = 600.0
GAP_S = 0.6
_RATE = 16000
_CLEAN = frozenset({"clean", "read"})
_NOT_CLEAN = frozenset({"noisy-snr5", "phone-8k", "digits", "command", "derived", "broken"})
_LONGEST_PART_S = 30.0


def joined(
    recordings: Sequence[Recording], lang: str, folder: Path, seconds: float = TEN_MINUTES_S
) -> Recording:
    """A WAV file (16 kHz, mono) of at least `seconds`: clean speech with short silences between.

    The parts come in a fixed random order and start over when there are too few of them.
    Raises ValueError when there is none.
    """
    parts = [r for r in recordings if r.lang == lang and _usable(r)]
    if not parts:
        raise ValueError(f"no clean short recordings of language {lang}")
    random.Random(1).shuffle(parts)
    name = f"joined_{lang}_{seconds:.0f}s.wav"
    references: list[str] = []
    with wave.open(str(folder / name), "wb") as file:
        file.setparams((1, 2, _RATE, 0, "NONE", ""))
        for part, samples in _until(parts, seconds):
            references.append(part.reference)
            file.writeframes(samples.tobytes())
        length = file.getnframes() / _RATE
    space = "" if metric(lang) == "CER" else " "
    text = space.join(references)
    return replace(
        parts[0], path=folder / name, file=name, seconds=length, reference=text, tags=frozenset()
    )


def _usable(recording: Recording) -> bool:
    return (
        recording.scored
        and recording.seconds <= _LONGEST_PART_S
        and bool(recording.tags & _CLEAN)
        and not recording.tags & _NOT_CLEAN
    )


def _until(parts: Sequence[Recording], seconds: float) -> Iterator[tuple[Recording, NDArray[Any]]]:
    """Parts with their samples and the silence after them, until there is enough."""
    length = 0
    for part in cycle(parts):
        if length >= seconds * _RATE:
            return
        samples = np.concatenate([_samples(part.path), np.zeros(int(GAP_S * _RATE), np.int16)])
        length += len(samples)
        yield part, samples


def _samples(path: Path) -> NDArray[np.int16]:
    from faster_whisper.audio import decode_audio

    scaled = np.asarray(decode_audio(str(path), sampling_rate=_RATE)) * 32767
    whole: NDArray[np.int16] = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
    return whole
