"""Whisper on CTranslate2 as an `Engine`: window, decode, doubt, decode again, align."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zhiyin.domain.audio import SAMPLE_RATE, Samples
from zhiyin.domain.engine import Clip, ClipResult, EngineCapabilities, EngineContext
from zhiyin.domain.errors import AsrError, EngineFailed
from zhiyin.domain.options import DecodeOptions
from zhiyin.domain.segmenting import TimedText, split_words
from zhiyin.domain.transcript import DecodingStats, Segment, Word
from zhiyin.engines.whisper.backend import Backend
from zhiyin.engines.whisper.guard import Hypothesis, is_doubtful, is_failed, is_silence
from zhiyin.engines.whisper.policy import FULL_WINDOW_S, ModelPolicy


class WhisperEngine:
    """One Whisper model. `folder` is asked for at load, when weights are verified."""

    def __init__(
        self,
        folder: Callable[[], Path],
        capabilities: EngineCapabilities,
        context: EngineContext,
        policy: ModelPolicy,
    ) -> None:
        self.capabilities = capabilities
        self._folder = folder
        self._context = context
        self._policy = policy
        self._backend: Backend | None = None

    def load(self) -> None:
        """Verify the weights and bring them into memory."""
        threads = self._context.threads or len(os.sched_getaffinity(0))
        self._backend = Backend(self._folder(), self._context, threads)

    def close(self) -> None:
        """Free the memory."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def transcribe_batch(self, clips: Sequence[Clip]) -> list[ClipResult | AsrError]:
        """One result per clip; see `ports.engine`."""
        results: list[ClipResult | AsrError] = []
        for clip in clips:
            try:
                results.append(self._transcribe(clip))
            except RuntimeError as error:  # CTranslate2's only kind
                failed = EngineFailed("Whisper failed on this recording.")
                failed.__cause__ = error
                results.append(failed)
        return results

    def _transcribe(self, clip: Clip, *, whole: bool = True) -> ClipResult:
        if self._backend is None:
            raise EngineFailed("The engine is not loaded.")
        decoding = _Decoding(self._backend, self._policy, clip)
        hypothesis = decoding.best()
        if is_silence(hypothesis, decoding.policy) or not hypothesis.text:
            return ClipResult((), decoding.language, decoding.probability)
        unsure = hypothesis.avg_logprob < decoding.policy.lost_tail_logprob
        if not whole and (unsure or is_failed(hypothesis, decoding.policy)):
            return ClipResult((), decoding.language, decoding.probability)
        words = decoding.align(hypothesis)
        segments = _segments(hypothesis, words, decoding.written_in, clip)
        lost = (clip.speech_end or 0.0) - (words[-1].end if words else clip.seconds)
        if whole and lost > decoding.policy.lost_tail:
            segments += self._rest(clip, decoding.language, words[-1].end)
        return ClipResult(segments, decoding.language, decoding.probability)

    def _rest(self, clip: Clip, language: str, begin: float) -> tuple[Segment, ...]:
        """What was said after `begin`, where the decoder stopped; nothing when in doubt."""
        samples = clip.samples[int(begin * SAMPLE_RATE) :]
        options = replace(clip.options, language=language)
        rest = self._transcribe(Clip(samples, options), whole=False)
        return tuple(s.shifted(begin) for s in rest.segments)


class _Decoding:
    """The passes over one clip."""

    def __init__(self, backend: Backend, policies: ModelPolicy, clip: Clip) -> None:
        self._backend = backend
        self._samples: Samples = clip.samples
        self._seconds = min(clip.seconds, FULL_WINDOW_S)
        self._options: DecodeOptions = clip.options
        self._encoded_as = (0.0, False)
        self._encoded: Any = None
        self.policy = policies.of(clip.options.language)
        self._encode(self.policy.window(self._seconds))
        self.probability: float | None = None
        self.language = clip.options.language or self._detect()
        self.policy = policies.of(self.language)
        self._encode(self.policy.window(self._seconds))

    @property
    def written_in(self) -> str:
        """The language of the text."""
        return "en" if self._options.task == "translate" else self.language

    def best(self) -> Hypothesis:
        """The short window when it convinces, else the full one with the usual fallback."""
        if self._options.temperature > 0:
            return self._generate(self._options.temperature)
        hypothesis = self._generate(0.0)
        short = self._encoded_as[0] < FULL_WINDOW_S
        if short and is_doubtful(hypothesis, self.policy):
            self._encode(FULL_WINDOW_S)
            hypothesis = self._better(hypothesis, self._generate(0.0))
        return self._fallback(hypothesis)

    def _better(self, one: Hypothesis, other: Hypothesis) -> Hypothesis:
        """The one that is not failed, else the likelier."""
        return max(one, other, key=lambda h: (not is_failed(h, self.policy), h.avg_logprob))

    def align(self, hypothesis: Hypothesis) -> list[TimedText]:
        """The hypothesis as words with times in seconds from the start of the clip."""
        found = self._backend.align(
            self._encoded, self.language, self._options, [hypothesis.tokens], [self._seconds]
        )
        return found[0]

    def _fallback(self, first: Hypothesis) -> Hypothesis:
        tried = [first]
        for temperature in self.policy.temperatures[1:]:
            last = tried[-1]
            if not is_failed(last, self.policy) or is_silence(last, self.policy):
                return last
            tried.append(self._generate(temperature))
        if not is_failed(tried[-1], self.policy):
            return tried[-1]
        limit = self.policy.compression_ratio_threshold
        calm = [h for h in tried if h.compression_ratio <= limit]
        return max(calm or tried, key=lambda h: h.avg_logprob)

    def _encode(self, window: float) -> None:
        wanted = (window, self.policy.pad_audio)
        if wanted != self._encoded_as:
            self._encoded_as = wanted
            pad = self.policy.pad_audio
            features = self._backend.features([self._samples], window, pad_audio=pad)
            self._encoded = self._backend.encode(features)

    def _detect(self) -> str:
        language, self.probability = self._backend.detect(self._encoded)[0]
        return language

    def _generate(self, temperature: float) -> Hypothesis:
        return self._backend.generate(
            self._encoded,
            [self._backend.prompt(self.language, self._options)],
            self.language,
            self._options,
            self.policy,
            self.policy.max_new_tokens(self._seconds),
            temperature,
        )[0]


def _segments(
    hypothesis: Hypothesis, words: list[TimedText], language: str, clip: Clip
) -> tuple[Segment, ...]:
    if not words:
        whole = TimedText(hypothesis.text, 0.0, clip.seconds, 0.0, hypothesis.tokens)
        return (_segment(hypothesis, [whole], clip.options.words),)
    groups = split_words(words, language)
    return tuple(_segment(hypothesis, group, clip.options.words) for group in groups)


def _segment(hypothesis: Hypothesis, words: list[TimedText], with_words: bool) -> Segment:
    spoken = [w for w in words if _clean(w.text)]
    return Segment(
        text=_clean("".join(w.text for w in words)),
        start=words[0].start,
        end=words[-1].end,
        confidence=sum(w.confidence for w in words) / len(words),
        words=tuple(Word(_clean(w.text), w.start, w.end, w.confidence) for w in spoken)
        if with_words
        else (),
        stats=DecodingStats(
            tokens=tuple(t for w in words for t in w.tokens),
            temperature=hypothesis.temperature,
            avg_logprob=hypothesis.avg_logprob,
            compression_ratio=hypothesis.compression_ratio,
            no_speech_prob=hypothesis.no_speech_prob,
        ),
    )


def _clean(text: str) -> str:
    """Without the replacement characters of a token sequence that begins inside a character."""
    return text.replace("\ufffd", "").strip()
