"""Whisper decoding, one pass over a batch: window, temperature fallback, word alignment.

A pass never lasts long. A clip whose short window does not convince, whose language asks for
another window, or whose end was lost comes back as `Again`, with what is known so far in `Carry`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from zhiyin.domain.engine import Again, Clip, ClipResult
from zhiyin.domain.segmenting import TimedText
from zhiyin.domain.transcript import Segment
from zhiyin.engines.whisper.backend import Backend
from zhiyin.engines.whisper.gaps import cut, find_gaps
from zhiyin.engines.whisper.guard import (
    Hypothesis,
    better,
    goes_round,
    is_doubtful,
    is_failed,
    is_silence,
    is_unsure_silence,
    runs_away,
    without_loop,
)
from zhiyin.engines.whisper.policy import FULL_WINDOW_S, DecodePolicy, ModelPolicy
from zhiyin.engines.whisper.rounds import apart, has_time, is_in_time, is_said, miscounts
from zhiyin.engines.whisper.segments import to_segments
from zhiyin.engines.whisper.silence import is_silent
from zhiyin.engines.whisper.spoken import (
    LanguageRun,
    Ranking,
    choose,
    may_be_several,
    runs,
)
from zhiyin.engines.whisper.sung import is_sung, parts_of
from zhiyin.engines.whisper.takes import Carry, Kind, Take

# Of 271 recordings in Mandarin and English a short window misheard the language of three, the full
# one of one; two of the three were below this.
_SURE_LANGUAGE = 0.5

K = TypeVar("K", bound=Hashable)


class Pass:
    """One call. All clips are of one `plan` kind."""

    def __init__(self, backend: Backend, policies: ModelPolicy, clips: Sequence[Clip]) -> None:
        self._backend = backend
        self._policies = policies
        self._takes = [Take.of(clip) for clip in clips]
        self._options = clips[0].options
        self._outcomes: dict[int, ClipResult | Again] = {}
        first = self._takes[0]
        self._kind = Kind.of(first, policies.of(first.likely))
        self._window = self._kind.window
        features = backend.features(
            [t.samples for t in self._takes], self._window, pad_audio=self._kind.pad_audio
        )
        self._encoded = backend.encode(features)
        self._languages = [(t.language, t.probability) for t in self._takes]

    def run(self) -> list[ClipResult | Again]:
        """One outcome per clip, in order."""
        if any(language is None for language, _ in self._languages):
            self._detect()
        certain = [i for i in range(len(self._takes)) if i not in self._outcomes]
        for i in certain:
            if not self._fits(i):
                self._outcomes[i] = self._again(i)
        fitting = [i for i in certain if i not in self._outcomes]
        for beam_size, indices in _groups([self._beam_size(i) for i in fitting], fitting):
            self._decode(indices, beam_size)
        return [self._outcomes[i] for i in range(len(self._takes))]

    def _detect(self) -> None:
        for i, ranking in enumerate(self._backend.detect(self._encoded)):
            take = self._takes[i]
            self._languages[i] = choose(ranking, take.clip.expected, take.speech_s)
            if self._kind.draft:
                continue
            unsure = take.clip.expected is None and max(ranking.values()) < _SURE_LANGUAGE
            found = self._runs(i, ranking)
            if len(found) > 1:
                parts = tuple((run.begin, run.end) for run in found)
                self._outcomes[i] = self._again(
                    i, parts=parts, spoken=tuple(run.language for run in found)
                )
            elif self._window < FULL_WINDOW_S and unsure:
                self._outcomes[i] = Again(replace(take.clip, carry=Carry()))

    def _runs(self, i: int, ranking: Ranking) -> list[LanguageRun]:
        """The clip by languages; empty when it is in one for sure."""
        take = self._takes[i]
        spans = take.stretches
        if take.clip.music or not may_be_several(ranking, spans):
            return []
        rankings = self._backend.detect_within(self._encoded, i, spans, take.seconds)
        return runs(spans, rankings, self._language(i), take.clip.seconds)

    def _fits(self, i: int) -> bool:
        """Whether the window that was encoded before the language was known will do."""
        if self._window >= FULL_WINDOW_S:
            return True
        policy = self._policy(i)
        same = self._window == self._takes[i].window(policy)
        return same and self._kind.pad_audio == policy.pad_audio

    def _again(self, i: int, **found: Any) -> Again:
        return self._takes[i].again(self._language(i), self._languages[i][1], **found)

    def _language(self, i: int) -> str:
        language = self._languages[i][0]
        assert language is not None, "the language is known by now"
        return language

    def _policy(self, i: int) -> DecodePolicy:
        return self._policies.of(self._language(i))

    def _beam_size(self, i: int) -> int:
        return self._takes[i].beam_size(self._policy(i))

    def _decode(self, indices: list[int], beam_size: int) -> None:
        asked = self._kind.temperature
        width = self._policy(indices[0]).best_of if asked > 0 else beam_size
        hypotheses = self._generate(indices, width, asked)
        believed: dict[int, Hypothesis] = {}
        for i, hypothesis in zip(indices, hypotheses, strict=True):
            if self._takes[i].clip.music:
                chosen = self._sung(i, hypothesis)
                if chosen is None:
                    continue
            elif asked > 0 or self._kind.draft:
                chosen = hypothesis
            elif self._miscounts(i, hypothesis):
                self._outcomes[i] = self._apart(i, hypothesis)
                continue
            elif self._window < FULL_WINDOW_S and self._is_doubtful(i, hypothesis):
                self._doubt(i, hypothesis)
                continue
            else:
                chosen = self._fallback(i, self._better(i, hypothesis))
            if self._is_nothing(i, chosen):
                self._outcomes[i] = self._nothing(i, chosen)
            else:
                believed[i] = chosen
        self._align(believed)

    def _sung(self, i: int, h: Hypothesis) -> Hypothesis | None:
        """The hypothesis over music when it is believed; else parts come next, or nothing."""
        take, policy, (_, probability) = self._takes[i], self._policy(i), self._languages[i]
        if is_sung(h, policy, probability):
            return h
        speech = take.clip.speech or ()
        parts = () if take.looked_at_once else parts_of(h, policy, take.seconds, speech)
        if not parts:
            self._outcomes[i] = self._result(i, ())
        else:
            again = take.again(self._language(i), probability, parts=parts)
            self._outcomes[i] = Again(replace(again.clip, music=not speech))
        return None

    def _is_doubtful(self, i: int, h: Hypothesis) -> bool:
        """Whether the full window is worth its time; an urgent clip has little."""
        test = is_failed if self._takes[i].clip.urgent else is_doubtful
        return test(h, self._policy(i))

    def _doubt(self, i: int, hypothesis: Hypothesis) -> None:
        """The full window next; a doubtful rest is not worth one."""
        take = self._takes[i]
        self._outcomes[i] = (
            self._result(i, ()) if take.is_rest else self._again(i, first=hypothesis)
        )

    def _miscounts(self, i: int, h: Hypothesis) -> bool:
        """Whether the rounds of a phrase are better decoded one by one.

        An urgent clip can't wait for that.
        """
        take = self._takes[i]
        if take.clip.urgent or self._is_silent(i, h):
            return False
        return miscounts(h.text, len(h.tokens), take.stretches)

    def _apart(self, i: int, h: Hypothesis) -> Again:
        """Each round by itself; what the whole gave, a loop cut off, stands if that is more."""
        take = self._takes[i]
        whole: tuple[Segment, ...] = ()
        h = self._unlooped(h)
        if not self._is_nothing(i, h):
            (words,) = self._timed([i], self._language(i), [h.tokens])
            whole = self._segments(i, h, words)
        parts = apart(take.stretches, take.clip.seconds)
        return self._again(i, first=None, parts=parts, whole=whole, apart=True)

    def _is_nothing(self, i: int, h: Hypothesis) -> bool:
        policy = self._policy(i)
        if self._takes[i].clip.music:
            return False
        if self._kind.draft:
            return self._is_no_draft(i, h)
        if self._is_silent(i, h) or not h.text:
            return True
        unsure = is_failed(h, policy) or h.avg_logprob < policy.rest_logprob
        return self._takes[i].is_rest and unsure

    def _is_silent(self, i: int, h: Hypothesis) -> bool:
        """In an urgent clip speech that was cut in mid-word is speech too, however it begins."""
        take, policy = self._takes[i], self._policy(i)
        if not is_silent(h, policy, take.detected_s):
            return False
        if not take.clip.urgent or take.is_rest or take.speech_s < policy.sure_speech_s:
            return True
        return is_failed(h, policy) and h.no_speech_prob > policy.no_speech

    def _is_no_draft(self, i: int, h: Hypothesis) -> bool:
        policy = self._policy(i)
        take = self._takes[i]
        unlikely = take.speech_s < policy.sure_speech_s
        silent = unlikely and (is_silence(h, policy) or is_silent(h, policy, take.detected_s))
        hopeless = h.avg_logprob < policy.draft_logprob or runs_away(h, policy)
        return silent or hopeless or not h.text

    def _nothing(self, i: int, h: Hypothesis) -> ClipResult | Again:
        """No text, or a second look at what may be speech after all."""
        take, policy = self._takes[i], self._policy(i)
        silent = take.speech_s < policy.sure_speech_s or not is_unsure_silence(h, policy)
        if take.looked_at_once or silent:
            return self._result(i, ())
        begin = take.speech_start_s + policy.second_look_s
        return self._again(i, first=None, parts=((begin, take.clip.seconds),))

    def _better(self, i: int, now: Hypothesis) -> Hypothesis:
        """Of the short and the full window."""
        carry = self._takes[i].carry
        if carry is None or carry.first is None:
            return now
        return better(carry.first, now, self._policy(i))

    def _fallback(self, i: int, first: Hypothesis) -> Hypothesis:
        take, policy, tried = self._takes[i], self._policy(i), [first]
        for temperature in () if take.hurried else policy.temperatures[1:]:
            last = tried[-1]
            silent = is_silent(last, policy, take.detected_s)
            if not is_failed(last, policy) or (silent and not take.is_likely(policy)):
                return last
            if silent or _settled(tried, policy):
                break
            tried += self._generate([i], policy.best_of, temperature)
        if take.is_rest or not is_failed(tried[-1], policy):
            return tried[-1]
        heard = [h for h in tried if not is_silent(h, policy, take.detected_s)]
        return self._least_bad(heard or tried, policy)

    def _least_bad(self, tried: Sequence[Hypothesis], policy: DecodePolicy) -> Hypothesis:
        """Of results that all failed: a loop at the end is cut off, what came before it stays."""
        cut = [self._unlooped(h) for h in tried]
        calm = [h for h in cut if not runs_away(h, policy)]
        return max(calm or cut, key=lambda h: h.avg_logprob)

    def _unlooped(self, h: Hypothesis) -> Hypothesis:
        tokens = without_loop(h.tokens)
        if tokens == h.tokens:
            return h
        return replace(h, tokens=tokens, text=self._backend.text(tokens), finished=True, cut=True)

    def _generate(self, indices: list[int], width: int, temperature: float) -> list[Hypothesis]:
        found = self._backend.generate(
            self._backend.select(self._encoded, indices),
            [self._language(i) for i in indices],
            self._options,
            [self._policy(i).max_new_tokens(self._takes[i].seconds) for i in indices],
            width,
            temperature,
        )
        return [self._checked(i, h) for i, h in zip(indices, found, strict=True)]

    def _checked(self, i: int, h: Hypothesis) -> Hypothesis:
        """With the knowledge whether what it repeats is in the sound."""
        if not goes_round(h, self._policy(i)):
            return h
        said = is_said(h.text, self._takes[i].stretches) or self._is_in_time(i, h)
        return replace(h, in_sound=said)

    def _is_in_time(self, i: int, h: Hypothesis) -> bool:
        take = self._takes[i]
        speech_s = min(take.speech_s, take.seconds)
        if self._kind.draft or not h.finished or not has_time(len(h.tokens), speech_s):
            return False
        (words,) = self._timed([i], self._language(i), [h.tokens])
        return is_in_time(h.tokens, words)

    def _timed(
        self, indices: list[int], language: str, tokens: list[tuple[int, ...]]
    ) -> list[list[TimedText]]:
        return self._backend.align(
            self._backend.select(self._encoded, indices), language, self._options, tokens,
            [self._takes[i].seconds for i in indices],
        )  # fmt: skip

    def _align(self, believed: dict[int, Hypothesis]) -> None:
        for language, indices in _groups([self._language(i) for i in believed], list(believed)):
            aligned = self._timed(indices, language, [believed[i].tokens for i in indices])
            for i, words in zip(indices, aligned, strict=True):
                self._outcomes[i] = self._finish(i, believed[i], words)

    def _finish(self, i: int, hypothesis: Hypothesis, words: list[TimedText]) -> ClipResult | Again:
        take = self._takes[i]
        segments = self._segments(i, hypothesis, words)
        spans = () if take.looked_at_once or take.clip.music else take.clip.speech or ()
        gaps = find_gaps(spans, words, self._policy(i).gap_s)
        if not gaps or not words:
            return self._result(i, segments)
        if gaps[0][0] >= words[-1].end:
            rest = (words[-1].end, take.clip.seconds)
            return self._again(
                i, first=None, parts=(rest,), before=segments, whole=segments, rest=True
            )
        parts = cut(take.clip.speech or (), gaps, take.clip.seconds)
        return self._again(i, first=None, parts=parts, whole=segments)

    def _segments(self, i: int, h: Hypothesis, words: list[TimedText]) -> tuple[Segment, ...]:
        take, asked = self._takes[i], self._takes[i].clip.options
        written_in = asked.text_language(self._language(i))
        return to_segments(h, words, written_in, take.seconds, asked.words)

    def _result(self, i: int, segments: tuple[Segment, ...]) -> ClipResult | Again:
        carry, (_, probability) = self._takes[i].carry, self._languages[i]
        language = self._language(i)
        if carry is not None and carry.spoken:
            segments = tuple(replace(s, language=language) for s in segments)
            language, probability = carry.language or language, carry.probability
        if carry is not None and carry.parts:
            found = carry.before + tuple(s.shifted(carry.parts[0][0]) for s in segments)
            if len(carry.parts) > 1:
                return self._again(
                    i, first=None, parts=carry.parts[1:], spoken=carry.spoken[1:], before=found
                )
            # Parts are decoded to find more; should they give less, the whole was right.
            segments = max(found, carry.whole, key=_tokens)
        return ClipResult(segments, language, probability)


def _settled(tried: Sequence[Hypothesis], policy: DecodePolicy) -> bool:
    """An unsure text that came again at a higher temperature: more of that won't make it sure."""
    *before, last = tried
    return last.text in {h.text for h in before} and not runs_away(last, policy)


def _tokens(segments: tuple[Segment, ...]) -> int:
    return sum(len(s.stats.tokens) for s in segments)


def _groups(keys: Sequence[K], indices: Iterable[int] | None = None) -> list[tuple[K, list[int]]]:
    """The indices of equal keys, in order."""
    found: defaultdict[K, list[int]] = defaultdict(list)
    for key, i in zip(keys, range(len(keys)) if indices is None else indices, strict=True):
        found[key].append(i)
    return list(found.items())
