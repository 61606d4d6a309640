"""Scripted engine: its text is a function of the sound, for tests of everything around engines.

A clip is cut into 100 ms slots; each slot that is loud enough becomes the word `t<k>`, where k is
the loudness in steps of 1/100 of full scale. A recording that names its own time (slot i has
loudness i/100) shows at once what was lost, doubled or moved by cutting and stitching.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.engine import Again, Clip, ClipResult, EngineCapabilities, Plan
from zhiyin.domain.errors import AsrError, EngineFailed
from zhiyin.domain.languages import LANGUAGES
from zhiyin.domain.options import DecodeOptions
from zhiyin.domain.transcript import Segment, Word

SLOT = SAMPLE_RATE // 10
"""Samples per slot."""


@dataclass(slots=True)
class ScriptedEngine:
    """Implements `ports.engine.Engine`.

    `delay_s` is slept per batch. A clip whose prompt is "fail" fails alone, one with "crash" makes
    the whole call raise, one with "die" ends the thread, one with "hang" never comes back, one with
    "again" wants a second pass; `moods` are such words for the next calls, whatever their prompts.
    `calls` records what ran.
    """

    max_batch: int = 1
    concurrency: int = 1
    delay_s: float = 0.0
    gate: threading.Event | None = None
    moods: list[str] = field(default_factory=list)
    calls: list[list[Clip]] = field(default_factory=list)
    loaded: bool = False

    @property
    def capabilities(self) -> EngineCapabilities:
        """Everything."""
        return EngineCapabilities(
            frozenset(LANGUAGES), 30.0, self.max_batch, words=True,
            features=frozenset({"translate", "prompt", "hotwords", "beam", "detect"}),
        )  # fmt: skip

    @property
    def version(self) -> str:
        """One script."""
        return "scripted-1" if self.loaded else ""

    def load(self) -> None:
        """Nothing to load."""
        self.loaded = True

    def close(self) -> None:
        """Nothing to free."""
        self.loaded = False

    def plan(self, clip: Clip) -> Plan:
        """Clips of equal options go together; nothing is padded."""
        return Plan(clip.seconds, (clip.options, clip.carry))

    def transcribe_batch(self, clips: Sequence[Clip]) -> list[ClipResult | Again | AsrError]:
        """The script."""
        self.calls.append(list(clips))
        if self.gate is not None:
            self.gate.wait(30.0)
        if self.delay_s:
            time.sleep(self.delay_s)
        mood = self.moods.pop(0) if self.moods else ""
        if any("crash" in (c.options.prompt, mood) for c in clips):
            raise RuntimeError("scripted crash")
        if any("die" in (c.options.prompt, mood) for c in clips):
            raise SystemExit
        if any("hang" in (c.options.prompt, mood) for c in clips):
            threading.Event().wait()
        if mood == "fail":
            return [EngineFailed("scripted failure") for _ in clips]
        return [self._decode(clip) for clip in clips]

    def _decode(self, clip: Clip) -> ClipResult | Again | AsrError:
        if clip.options.prompt == "fail":
            return EngineFailed("scripted failure")
        if clip.options.prompt == "again" and clip.carry is None:
            return Again(replace(clip, carry="second pass"))
        words = _words(clip)
        language = clip.options.language or "en"
        probability = None if clip.options.language else 0.9
        if not words:
            return ClipResult((), language, probability)
        text = " ".join(filter(None, [clip.options.prompt, *(w.text for w in words)]))
        kept = tuple(words) if clip.options.words else ()
        segment = Segment(text, words[0].start, words[-1].end, 1.0, kept)
        return ClipResult((segment,), language, probability)


class ScriptedStreamingEngine(ScriptedEngine):
    """The same as a `ports.engine.Streaming`.

    `fed` counts the samples that its streams took, `opened` and `ended` the streams.
    """

    fed: int = 0
    opened: int = 0
    ended: int = 0

    @property
    def capabilities(self) -> EngineCapabilities:
        """Streaming besides."""
        return replace(super().capabilities, streaming=True)

    def open_stream(self, options: DecodeOptions) -> ScriptedStream:
        """A new utterance."""
        self.opened += 1
        return ScriptedStream(self, options)


class ScriptedStream:
    """Implements `ports.engine.EngineStream`."""

    def __init__(self, engine: ScriptedStreamingEngine, options: DecodeOptions) -> None:
        self._engine = engine
        self._options = options
        self._sound: Samples = np.zeros(0, np.float32)

    def accept(self, samples: Samples) -> ClipResult:
        """The script of all that came."""
        self._engine.fed += len(samples)
        self._sound = np.concatenate([self._sound, samples])
        return self.finish()

    def finish(self) -> ClipResult:
        """The same once more."""
        (outcome,) = self._engine.transcribe_batch([Clip(self._sound, self._options)])
        if not isinstance(outcome, ClipResult):
            raise EngineFailed("scripted failure")
        return outcome

    def close(self) -> None:
        """Counted."""
        self._engine.ended += 1


def _words(clip: Clip) -> list[Word]:
    words: list[Word] = []
    for i in range(0, len(clip.samples), SLOT):
        level = round(float(np.abs(clip.samples[i : i + SLOT]).max()) * 100)
        if level:
            begin = i / SAMPLE_RATE
            words.append(Word(f"t{level}", begin, begin + 0.1, 1.0))
    return words
