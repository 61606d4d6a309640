"""A clip as one pass sees it: what earlier passes found, and which clips can share a call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from zhiyin.domain.audio import SAMPLE_RATE, Samples, Span
from zhiyin.domain.engine import Again, Clip, Plan
from zhiyin.domain.transcript import Segment
from zhiyin.engines.whisper.guard import Hypothesis
from zhiyin.engines.whisper.policy import FULL_WINDOW_S, DecodePolicy, ModelPolicy
from zhiyin.engines.whisper.spoken import stretches


@dataclass(frozen=True, slots=True)
class Carry:
    """What earlier passes over a clip found.

    `language` is None when a short window left it open: the full one is decoded next.
    `first` is the doubtful hypothesis of the short window. When speech was passed over, the clip
    is decoded in `parts` (those still to come, in seconds from its start), `before` is what lies
    before them, and `whole` what all of it together gave. `rest` says that the one part is the end
    of the clip, where the decoder had stopped: it is believed only when it is sure. `spoken` holds
    the language of each part when the clip is in several, `apart` says that the parts are rounds of
    one phrase.
    """

    language: str | None = None
    probability: float | None = None
    first: Hypothesis | None = None
    parts: tuple[Span, ...] = ()
    before: tuple[Segment, ...] = ()
    whole: tuple[Segment, ...] = ()
    rest: bool = False
    spoken: tuple[str, ...] = ()
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Take:
    """A clip as one pass sees it."""

    clip: Clip
    carry: Carry | None
    samples: Samples
    language: str | None

    @staticmethod
    def of(clip: Clip) -> Take:
        """What earlier passes wrote on the clip is taken into account."""
        carry = clip.carry if isinstance(clip.carry, Carry) else None
        samples = clip.samples
        if carry is not None and carry.parts:
            begin, end = (int(t * SAMPLE_RATE) for t in carry.parts[0])
            samples = samples[begin:end]
        language = carry.language if carry else clip.options.language
        return Take(clip, carry, samples, carry.spoken[0] if carry and carry.spoken else language)

    @property
    def likely(self) -> str | None:
        """The language as far as it is known before the sound was looked at."""
        return self.language or self.clip.expected

    @property
    def seconds(self) -> float:
        """Audio that is looked at."""
        return min(len(self.samples) / SAMPLE_RATE, FULL_WINDOW_S)

    @property
    def probability(self) -> float | None:
        """Of the detected language."""
        return self.carry.probability if self.carry else None

    @property
    def is_rest(self) -> bool:
        """Whether this is the lost end of a clip."""
        return self.carry is not None and self.carry.rest

    @property
    def hurried(self) -> bool:
        """No higher temperatures: five samples of a loop take seconds and are hardly better.

        For a live final that is waited for, for a lost end, which must be sure anyway, and for the
        rounds of a phrase, which are many.
        """
        apart = self.carry is not None and self.carry.apart
        return self.clip.urgent or self.is_rest or apart

    @property
    def stretches(self) -> list[Span]:
        """Speech between pauses; empty when this is a part of a clip."""
        in_part = self.carry is not None and self.carry.parts
        return [] if in_part else stretches(self.clip.speech or ())

    @property
    def looked_at_once(self) -> bool:
        """A draft, or a part of a clip: nothing more is looked for in it."""
        return self.clip.draft or (self.carry is not None and bool(self.carry.parts))

    @property
    def speech_start_s(self) -> float:
        """Where speech was detected first, in seconds."""
        return self.clip.speech[0][0] if self.clip.speech else 0.0

    @property
    def speech_s(self) -> float:
        """Detected speech in seconds."""
        return sum(end - begin for begin, end in self.clip.speech or ())

    @property
    def detected_s(self) -> float | None:
        """The same, without breaths where that is known; None without detection."""
        if self.clip.voiced_s is not None:
            return self.clip.voiced_s
        if self.clip.speech is None:
            return None
        return sum(end - begin for begin, end in self.clip.speech)

    def is_likely(self, policy: DecodePolicy) -> bool:
        """Whether enough speech was detected for a word."""
        return (self.detected_s or 0.0) >= policy.likely_speech_s

    def window(self, policy: DecodePolicy) -> float:
        """Seconds of encoder input."""
        carry = self.carry
        doubted = carry is not None and (carry.first is not None or carry.language is None)
        return FULL_WINDOW_S if doubted or self.clip.music else policy.window(self.seconds)

    def beam_size(self, policy: DecodePolicy) -> int:
        """A draft is searched greedily."""
        return 1 if self.clip.draft else self.clip.options.beam_size or policy.beam_size

    def again(self, language: str, probability: float | None, **found: Any) -> Again:
        """Another pass, with what was found added to the carry."""
        known = self.carry or Carry()
        if not known.spoken:
            known = replace(known, language=language, probability=probability)
        return Again(replace(self.clip, carry=replace(known, **found)))


@dataclass(frozen=True, slots=True)
class Kind:
    """What the clips of one call have in common; their languages may differ.

    Prompts must be equally long in a call (CTranslate2's `check_prompts`); equal ones are.
    """

    window: float
    pad_audio: bool
    beam_size: int
    has_language: bool
    task: str
    temperature: float
    context: tuple[str, str]
    draft: bool

    @staticmethod
    def of(take: Take, policy: DecodePolicy) -> Kind:
        """How that policy has the clip decoded."""
        asked = take.clip.options
        return Kind(
            take.window(policy), policy.pad_audio, take.beam_size(policy),
            take.language is not None, asked.task, asked.temperature,
            (asked.hotwords, asked.prompt), take.clip.draft,
        )  # fmt: skip


def plan(clip: Clip, policies: ModelPolicy) -> Plan:
    """Clips that are decoded alike share a call."""
    take = Take.of(clip)
    kind = Kind.of(take, policies.of(take.likely))
    return Plan(kind.window, kind)
