"""Measures on labelled recordings which windows a model may be decoded in, language by language.

Decoding is at temperature 0 and one clip at a time; the search for a lost end and the fallback
to higher temperatures, which every policy has in common, are left out.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.calibration import CalibrationOptions, LabelledRecording, OnProgress, Score
from zhiyin.domain.options import DecodeOptions
from zhiyin.engines.whisper.backend import Backend
from zhiyin.engines.whisper.evaluation import (
    BEAMS,
    Attempt,
    Choice,
    DecodedClip,
    DecodedRecording,
    Result,
    Setting,
    choose,
    settings,
)
from zhiyin.engines.whisper.policy import FULL_WINDOW_S, DecodePolicy
from zhiyin.engines.whisper.policy_files import CalibrationFile, PolicyEntry

WINDOWS = ((8.0, 3.0), (10.0, 4.0), (12.0, 5.0), (15.0, 6.0), (20.0, 8.0))
"""Shortest window and what is added after the speech, in seconds."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A run on one loaded model."""

    backend: Backend
    options: CalibrationOptions
    score: Score
    on_progress: OnProgress

    def run(self, model_id: str, samples: Sequence[LabelledRecording]) -> CalibrationFile:
        """Measure and choose, for each language of the samples."""
        ordered = sorted(samples, key=lambda s: s.language)
        self._warm_up(ordered)
        choices: dict[str, Choice] = {}
        measured: dict[str, dict[str, Any]] = {}
        done = 0
        for language, group in groupby(ordered, key=lambda s: s.language):
            recordings = list(group)
            decoded: list[DecodedRecording] = []
            for recording in recordings:
                decoded.append(self._decode(recording))
                done += 1
                self.on_progress(done, len(ordered))
            choices[language] = self._choose(decoded, language)
            measured[language] = _described(recordings, choices[language])
        return CalibrationFile(
            model=model_id,
            compute_type=self.backend.compute_type,
            created=dt.datetime.now(dt.UTC).date(),
            tolerance=self.options.tolerance,
            policies={lang: PolicyEntry.of(c.chosen.policy) for lang, c in choices.items()},
            measured=measured,
        )

    @property
    def _windows(self) -> Sequence[tuple[float, float]]:
        return self.options.windows or WINDOWS

    def _warm_up(self, samples: Sequence[LabelledRecording]) -> None:
        """The first call also allocates; it must not count for whatever comes first."""
        clips = [(clip, s.language) for s in samples for clip in s.clips]
        if clips:
            clip, language = clips[0]
            self._attempts(clip, language, FULL_WINDOW_S, False, [1])

    def _decode(self, recording: LabelledRecording) -> DecodedRecording:
        clips = [self._decode_clip(clip, recording.language) for clip in recording.clips]
        return DecodedRecording(recording.reference, tuple(clips))

    def _decode_clip(self, clip: Samples, language: str) -> DecodedClip:
        """All settings of a clip one after the other, so that they find the machine alike."""
        seconds = len(clip) / SAMPLE_RATE
        wanted = settings(seconds, self._windows)
        attempts: dict[Setting, Attempt] = {}
        for window, pad_audio in sorted({(s.window, s.pad_audio) for s in wanted}):
            attempts |= self._attempts(clip, language, window, pad_audio, BEAMS)
        return DecodedClip(seconds, attempts)

    def _attempts(
        self, clip: Samples, language: str, window: float, pad_audio: bool, beams: Sequence[int]
    ) -> dict[Setting, Attempt]:
        """Encoded once, decoded with each beam; each is charged for the encoder in full."""
        features = self.backend.features([clip], window, pad_audio=pad_audio)
        begun = time.perf_counter()
        encoded = self.backend.encode(features)
        encoder_s = time.perf_counter() - begun
        found: dict[Setting, Attempt] = {}
        for beam_size in beams:
            limit = DecodePolicy().max_new_tokens(min(len(clip) / SAMPLE_RATE, FULL_WINDOW_S))
            begun = time.perf_counter()
            (hypothesis,) = self.backend.generate(
                encoded, [language], DecodeOptions(language=language), [limit], beam_size, 0.0
            )
            engine_s = encoder_s + time.perf_counter() - begun
            found[Setting(window, pad_audio, beam_size)] = Attempt(hypothesis, engine_s)
        return found

    def _choose(self, decoded: Sequence[DecodedRecording], language: str) -> Choice:
        @cache  # most policies give the same text
        def count(reference: str, text: str) -> tuple[int, int]:
            return self.score(reference, text, language)

        return choose(decoded, self._windows, count, self.options.tolerance)


def _described(recordings: Sequence[LabelledRecording], choice: Choice) -> dict[str, Any]:
    """The figures for the file; no text of a recording is among them."""
    reference = _row(choice.reference)
    wanted = ("pad_audio", "beam_size", "error_percent", "engine_s")
    return {
        "recordings": len(recordings),
        "clips": choice.reference.clips,
        "units": choice.reference.units,
        "audio_s": round(sum(r.seconds for r in recordings), 2),
        "reference": {name: reference[name] for name in wanted},
        "candidates": [_row(result) for result in choice.candidates],
        "chosen": _row(choice.chosen),
    }


def _row(result: Result) -> dict[str, Any]:
    return PolicyEntry.of(result.policy).row() | {
        "error_percent": round(result.error_percent, 2),
        "engine_s": round(result.engine_s, 3),
        "again": result.again,
    }
