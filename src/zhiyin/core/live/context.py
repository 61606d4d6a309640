"""The sound before a short segment that is decoded with it, and which words are its own. Pure.

A pause in mid-sentence ends a segment, and Whisper recognizes the rest of a sentence worse than the
whole: English recordings with pauses put in had 6.1 % of their words wrong live and 2.8 % as files
(`bench.live_voices`). The finals before are never changed; they tell where the words of the new
segment begin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from zhiyin.core.live.agreement import prefix_distances, units_of
from zhiyin.core.live.audio_buffer import AudioBuffer
from zhiyin.core.live.utterance import DecodeRequest, Hypothesis, Utterance
from zhiyin.core.segmentation.cutting import calmest
from zhiyin.core.segmentation.endpointing import FRAME_S
from zhiyin.domain.transcript import Word

_SLACK_S = 0.3  # the alignment may be off by so much


@dataclass(frozen=True, slots=True)
class ContextPolicy:
    """When a segment is decoded together with the sound before it."""

    before_s: float = 6.0
    """Of sound before its speech, at most; 0: never."""
    whole_s: float = 10.0
    """With the segment itself; a longer one has context enough and would take too long."""
    gap_s: float = 2.0
    """A silence of this length parts what belongs together, as in recordings."""
    cut_window_s: float = 3.0
    """A segment before that is too long is taken from its calmest moment in a stretch so long."""
    alone_confidence: float = 0.6
    """Where nothing was found beside the sound before, it takes so much to be believed alone;
    laughter after a sentence in Mandarin was 哈哈哈哈 with 0.51."""
    alone_s: float = 1.0
    """That holds for segments up to this length."""


class Context:
    """The segments before, as far as they matter to the next."""

    def __init__(self, policy: ContextPolicy, audio: AudioBuffer) -> None:
        self._policy = policy
        self._audio = audio
        self._last: Utterance | None = None
        self._said: tuple[Word, ...] = ()  # of the last finals

    def join(self, utterance: Utterance) -> None:
        """A segment begins: have it decoded with the one before when the two belong together."""
        last = self._last
        if last is None or not self._policy.before_s or last.closed not in ("vad", "split"):
            return
        if (utterance.began - last.ended) * FRAME_S >= self._policy.gap_s:
            return
        utterance.before, utterance.context = last, self._begin(last, utterance)

    def _begin(self, last: Utterance, utterance: Utterance) -> int:
        policy = self._policy
        earliest = max(self._audio.first, utterance.began - _frames(policy.before_s))
        for frame in (last.needs, last.audio):
            if frame >= earliest:
                return frame
        stop = min(earliest + _frames(policy.cut_window_s), last.ended)
        if stop <= earliest:
            return utterance.audio
        probs, samples = self._audio.probs(earliest, stop), self._audio.audio(earliest, stop)
        return earliest + calmest(probs, samples)

    def begin_of(self, utterance: Utterance, end: int) -> int:
        """The frame where decoding up to `end` begins."""
        before = utterance.before
        known = before is not None and before.emitted and not utterance.alone
        short = end - utterance.context <= _frames(self._policy.whole_s)
        return utterance.context if known and short else utterance.audio

    def own(self, utterance: Utterance, work: DecodeRequest, found: Hypothesis) -> Hypothesis:
        """A result without the words of the segments before."""
        before = utterance.before
        if before is None or work.begin >= utterance.audio:
            return replace(found, words=()) if self._unsure(utterance, work, found) else found
        spoken = before.ended * FRAME_S, utterance.began * FRAME_S
        words = own_words(found.words, self._said, work.start_s, *spoken)
        sure = sum(w.confidence for w in words) / len(words) if words else 0.0
        return replace(found, words=words, confidence=sure)

    def _unsure(self, utterance: Utterance, work: DecodeRequest, found: Hypothesis) -> bool:
        short = work.end - utterance.began <= _frames(self._policy.alone_s)
        unsure = found.confidence < self._policy.alone_confidence
        return utterance.alone and short and unsure

    def closed(self, utterance: Utterance) -> None:
        """A segment has ended."""
        self._last = utterance

    def emitted(self, utterance: Utterance, words: Iterable[Word]) -> None:
        """Its final was, with these words."""
        utterance.emitted = True
        if utterance.before is not None:
            utterance.before.before = None  # no chain
        since = (utterance.end - _frames(self._policy.whole_s)) * FRAME_S
        self._said = (*(w for w in self._said if w.end > since), *words)

    def kept(self, now: int) -> int:
        """How many frames before `now` the next segment may be decoded with."""
        policy = self._policy
        if self._last is None or (now - self._last.ended) * FRAME_S >= policy.gap_s:
            return 0
        return _frames(policy.before_s + policy.gap_s)


def own_words(
    words: Sequence[Word], before: Sequence[Word], window_s: float, ended_s: float, began_s: float
) -> tuple[Word, ...]:
    """Without the words that are in the finals before.

    `words` are of the sound from `window_s` on, `before` those of finals whose speech ended at
    `ended_s`; the segment's own speech began at `began_s`. Where the times leave it open, the text
    decides: what is dropped is as like the finals as can be.
    """
    if not words:
        return ()
    least = sum(w.end <= ended_s - _SLACK_S for w in words)
    most = max(least, sum(w.start < began_s + _SLACK_S for w in words))
    # By characters: the same sound may be one word now and two the next time.
    distances = prefix_distances(_letters(w for w in before if w.end > window_s), _letters(words))
    middle = (ended_s + began_s) / 2

    def misfit(count: int) -> tuple[int, float]:
        at = words[count - 1].end if count else words[0].start
        return distances[len(_letters(words[:count]))], abs(at - middle)

    return tuple(words[min(range(least, most + 1), key=misfit) :])


def _letters(words: Iterable[Word]) -> str:
    return "".join(unit.key for unit in units_of(words))


def _frames(seconds: float) -> int:
    return round(seconds / FRAME_S)
