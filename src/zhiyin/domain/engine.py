"""Engine data: capabilities (checked before any work), models, clips, results, plans."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zhiyin.domain.audio import SAMPLE_RATE, Samples, Span
from zhiyin.domain.options import DecodeOptions
from zhiyin.domain.transcript import Segment


@dataclass(frozen=True, slots=True)
class EngineContext:
    """What an engine's provider is built with: the operator's choices.

    `device` "auto" takes a GPU when there is one; `compute_type` "auto" leaves the number format
    to the engine; `threads` 0 means all cores, `replicas` 0 lets the engine measure how many calls
    at once serve this machine best; `folders` names the operator's own models.
    """

    models_dir: Path
    folders: Mapping[str, Path] = field(default_factory=dict)
    device: str = "auto"
    compute_type: str = "auto"
    threads: int = 0
    replicas: int = 0


@dataclass(frozen=True, slots=True)
class EngineCapabilities:
    """`max_seconds` is the longest clip one call takes, `max_batch` the most clips.

    `streaming`: it is a `ports.engine.Streaming`, which takes audio as it comes.
    """

    languages: frozenset[str]
    max_seconds: float
    max_batch: int = 1
    sample_rate: int = SAMPLE_RATE
    streaming: bool = False
    words: bool = False
    features: frozenset[str] = frozenset()
    """Of: "translate", "prompt", "hotwords", "beam", "detect", "music" (takes music clips)."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model an engine offers, installed or not."""

    id: str
    engine: str
    capabilities: EngineCapabilities
    installed: bool
    description: str = ""
    size_bytes: int = 0
    created: int = 0
    """Unix seconds of the weights' publication, as `/v1/models` shows it."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One unit of engine work: at most `max_seconds` of samples, and how to decode them.

    `speech` holds the stretches where speech was detected, in seconds from the start of the clip,
    so that an engine can see what it passed over; None without detection.
    """

    samples: Samples
    options: DecodeOptions = field(default_factory=DecodeOptions)
    speech: tuple[Span, ...] | None = None
    expected: str | None = None
    """The language of the recording so far, where none is named: what is not clearly in another is
    in that one."""
    bulk: bool = False
    """Of a long recording: others may go first."""
    draft: bool = False
    """Of an unfinished utterance: fast rather than sure, never `Again` because of doubt."""
    urgent: bool = False
    """A live final that a client waits for: `Again` only for a failed result, not for a doubtful
    one."""
    music: bool = False
    """Music with little or no detected speech: text only when it is surely sung."""
    voiced_s: float | None = None
    """Seconds of detected speech without the breaths that `speech` spans; None: not known."""
    carry: object = None
    """What the engine wrote on it for a second pass; see `Again`."""

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class ClipResult:
    """Segments with times in seconds from the start of the clip.

    `language_probability` is None when the caller named the language. A segment in another language
    than most of the clip names its own.
    """

    segments: tuple[Segment, ...]
    language: str
    language_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """The engine wants another pass over this clip.

    It waits its turn like any other, so that no call lasts long and others go between.
    """

    clip: Clip


@dataclass(frozen=True, slots=True)
class Plan:
    """How an engine would run a clip.

    It computes `seconds`, padding included. Only clips of equal `kind` share a call: it names
    everything that the engine can't mix, options too.
    """

    seconds: float
    kind: Hashable = None
