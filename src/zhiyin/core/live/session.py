"""A live session as a state machine: sound and results in, work and events out.

No clock, no threads, no engine: its driver hands in frames with their speech probabilities
and the results of the work it asked for. The promises: `stable` text only grows; one final per
segment, in order, never changed; a final covers all speech of its segment; at most one partial and
one final are being worked on; lower quality is announced.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zhiyin.core.live.agreement import Agreement, AgreementPolicy
from zhiyin.core.live.audio_buffer import AudioBuffer
from zhiyin.core.live.context import Context, ContextPolicy
from zhiyin.core.live.pace import Pacer
from zhiyin.core.live.utterance import DecodeRequest, Hypothesis, Utterance
from zhiyin.core.segmentation.cutting import calmest, spans
from zhiyin.core.segmentation.endpointing import FRAME_S, Change, Endpointer, EndpointPolicy
from zhiyin.domain.audio import Samples
from zhiyin.domain.live import (
    Done,
    Final,
    LiveEvent,
    Partial,
    Reason,
    SpeechEnded,
    SpeechStarted,
)

_HESITATES_S = 0.064  # shorter silences are inside of words


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """What a session decodes, and when."""

    lead_in_s: float = 0.3
    """A segment begins this long before its speech."""
    context_s: float = 1.0
    """Of audio before the speech, at most, that is decoded with it."""
    first_partial_s: float = 0.5
    """Of speech before the first partial."""
    cadence_s: float = 0.5
    """Of new audio before another partial."""
    cost_factor: float = 3.0
    """Times what the last decoding took must have come, too, once there is text: with several
    speakers the finals would else wait for the partials."""
    window_s: float = 10.0
    """Of audio that a partial decodes, at most."""
    overlap_s: float = 1.5
    """Of settled text at the start of that window."""
    behind: int = 2
    """Partials pause while so many finals wait; that is announced."""
    slow_s: float = 1.5
    """Partials that come this seldom are announced, too."""
    partials: bool = True
    """False: finals only."""
    ahead: bool = True
    """Whether finals are decoded in pauses that may be the end."""
    retries: int = 1
    """Of a final that failed."""
    endpoint: EndpointPolicy = field(default_factory=EndpointPolicy)
    """When a segment begins and ends."""
    agreement: AgreementPolicy = field(default_factory=AgreementPolicy)
    """When text is settled."""
    context: ContextPolicy = field(default_factory=ContextPolicy)
    """When a segment is decoded with the sound before it."""


class Session:
    """One stream. Not thread-safe; cheap calls, all of them."""

    def __init__(self, policy: SessionPolicy) -> None:
        self._policy = policy
        self._audio = AudioBuffer()
        self._points = Endpointer(policy.endpoint)
        self._open: Utterance | None = None
        self._closed: deque[Utterance] = deque()
        self._events: deque[LiveEvent] = deque()
        self._out: dict[str, DecodeRequest] = {}
        self._ids = 0
        self._last_end = 0
        self._context = Context(policy.context, self._audio)
        self._pacer = Pacer(policy.cost_factor, policy.behind, policy.slow_s)
        self._over = False
        self._done = False

    @property
    def received_s(self) -> float:
        """Seconds of audio taken."""
        return self._audio.end * FRAME_S

    @property
    def held_s(self) -> float:
        """Seconds of audio kept."""
        return (self._audio.end - self._audio.first) * FRAME_S

    @property
    def waiting_s(self) -> float:
        """Seconds of closed segments whose final is still to come."""
        return sum(u.end - u.start for u in self._closed) * FRAME_S

    @property
    def segments(self) -> int:
        """Segments opened so far."""
        return self._ids

    @property
    def finished(self) -> bool:
        """Whether `Done` was emitted."""
        return self._done

    def push(self, samples: Samples, probs: NDArray[np.float32]) -> None:
        """Take `float32[k * FRAME]` with k speech probabilities."""
        self._audio.append(samples, probs)
        for probability in probs:
            self._step(float(probability))
        self._drop_audio()

    def commit(self) -> None:
        """End the open segment here."""
        self._end("commit")

    def lapse(self) -> None:
        """No sound comes for now; that ends the open segment, as silence does."""
        self._end("vad")

    def abandon(self, since: int) -> None:
        """End the open segment here, and do no more work for any whose id is `since` or higher.

        Their finals have what partial results gave.
        """
        for utterance in self._closed:
            if utterance.id >= since:
                utterance.abandoned = True
        if self._open is not None:
            self._open.abandoned = self._open.id >= since
            self._close("commit", self._points.frame)
        self._points.close()
        self._last_end = self._points.frame
        self._settle()

    def wanted(self, work: DecodeRequest) -> bool:
        """Whether its result would be of use; to be asked while it is not answered."""
        utterance = self._of(work)
        return utterance is not None and not utterance.abandoned

    def finish(self) -> None:
        """The stream is over; nothing more is pushed."""
        self._end("eof")
        self._over = True
        self._settle()

    def next_work(self) -> DecodeRequest | None:
        """What to decode now; each is answered with `done` or `failed`."""
        for work in (self._final_work(), self._partial_work()):
            if work is not None:
                self._out[work.kind] = work
                return work
        return None

    def done(self, work: DecodeRequest, hypothesis: Hypothesis, took_s: float) -> None:
        """The result of work, and the seconds it took from asking."""
        self._out.pop(work.kind, None)
        self._pacer.took(took_s, partial=work.kind == "partial")
        utterance = self._of(work)
        if utterance is None:
            return
        utterance.language = hypothesis.language
        hypothesis = self._context.own(utterance, work, hypothesis)
        if work.kind == "final" and work.begin < utterance.audio and not hypothesis.words:
            utterance.alone = True  # nothing of its own was found: once more without the rest
        elif work.kind == "final":
            utterance.hypothesis, utterance.until = hypothesis, work.end
        if utterance.closed is None:
            self._suppose(utterance, work, hypothesis)
        if utterance is self._open and self._points.over and not self._goes_on:
            self._points.close()
            self._close("vad", self._points.frame)
        self._settle()

    def failed(self, work: DecodeRequest) -> None:
        """The engine could not do it."""
        self._out.pop(work.kind, None)
        utterance = self._of(work)
        if utterance is not None and work.kind == "final" and work.end >= utterance.ended:
            utterance.fail()
            self._settle()

    def take_events(self) -> list[LiveEvent]:
        """What happened since the last call, in order."""
        events = list(self._events)
        self._events.clear()
        return events

    # Speech comes and goes.

    def _step(self, probability: float) -> None:
        points, utterance = self._points, self._open
        change = points.step(probability, patient=self._goes_on)
        if utterance is not None:
            utterance.ended = max(utterance.ended, points.ended)
        if change is Change.ONSET:
            self._begin(points.began, points.ended)
        elif change is Change.END:
            self._close("vad", points.frame)
        elif change is Change.FULL:
            self._split()

    @property
    def _goes_on(self) -> bool:
        """Whether the open segment may stay so a little longer.

        Its text breaks off; or its final is still being decoded, and nobody gets it sooner.
        """
        utterance, work = self._open, self._out.get("final")
        if utterance is None:
            return False
        ahead = work is not None and work.segment_id == utterance.id and work.end >= utterance.ended
        return ahead or utterance.breaks_off

    def _begin(self, began: int, ended: int) -> None:
        policy = self._policy
        start = max(self._last_end, began - _frames(policy.lead_in_s))
        audio = max(self._last_end, self._audio.first, began - _frames(policy.context_s))
        self._open = Utterance(
            self._ids, start, audio, began, ended, Agreement(policy.agreement), looked=began
        )
        self._context.join(self._open)
        self._ids += 1
        self._events.append(SpeechStarted(self._open.id, start * FRAME_S))

    def _end(self, reason: Reason) -> None:
        if self._open is not None:
            self._points.close()
            self._close(reason, self._points.frame)

    def _close(self, reason: Reason, end: int) -> None:
        utterance = self._open
        assert utterance is not None
        self._open = None
        utterance.closed, utterance.end = reason, end
        self._last_end = end
        self._context.closed(utterance)
        self._closed.append(utterance)
        self._events.append(SpeechEnded(utterance.id, end * FRAME_S))
        self._settle()

    def _split(self) -> None:
        """Cut at the calmest moment near the end; the rest is the next segment.

        What is settled stays before the cut, or the next segment would repeat it.
        """
        utterance, now = self._open, self._points.frame
        assert utterance is not None
        settled = min(now - 1, math.ceil(utterance.agreement.settled_until / FRAME_S))
        window = now - _frames(self._policy.endpoint.cut_window_s)
        low = max(utterance.began + 1, window, settled)
        probs, audio = self._audio.probs(low, now), self._audio.audio(low, now)
        at = low + calmest(probs, audio)
        rest = np.flatnonzero(self._audio.probs(at, now) >= self._policy.endpoint.leave)
        utterance.ended = min(utterance.ended, at)
        ended = at + int(rest[-1]) + 1 if len(rest) else None
        self._points.split(at, ended)
        self._close("split", at)
        if ended is not None:
            self._begin(at, ended)

    # Work.

    def _final_work(self) -> DecodeRequest | None:
        if "final" in self._out:
            return None
        for utterance in self._closed:
            if not utterance.settled(self._policy.retries):
                begin = self._context.begin_of(utterance, utterance.end)
                return self._work("final", utterance, begin, utterance.end)
        current = self._open
        paused = self._policy.ahead and self._points.paused
        if current is None or not paused or current.settled(retries=0):
            return None
        now = self._points.frame
        return self._work("final", current, self._context.begin_of(current, now), now)

    def _partial_work(self) -> DecodeRequest | None:
        utterance = self._open
        if not self._policy.partials or not self._keeps_up() or utterance is None or self._out:
            return None
        policy, now = self._policy, self._points.frame
        speech_s = (utterance.ended - utterance.began) * FRAME_S
        paced = self._pacer.apart_s if any(utterance.shown) else 0.0
        wanted = max(policy.cadence_s, paced)
        fresh = (now - utterance.looked) * FRAME_S
        first = utterance.looked == utterance.began
        if speech_s < policy.first_partial_s or (fresh < wanted and not first):
            return None
        if utterance.ended <= utterance.looked or (policy.ahead and self._may_pause(utterance)):
            return None
        utterance.looked = now
        return self._work("partial", utterance, self._window(utterance, now), now)

    def _may_pause(self, utterance: Utterance) -> bool:
        """In a short silence a partial would be in the way of the final that may come next."""
        silence_s = (self._points.frame - utterance.ended) * FRAME_S
        return _HESITATES_S <= silence_s < self._policy.endpoint.pause_s

    def _keeps_up(self) -> bool:
        warning = self._pacer.turn(len(self._closed))
        if warning is not None:
            self._events.append(warning)
        return not self._pacer.paused

    def _window(self, utterance: Utterance, now: int) -> int:
        """Where a partial begins: at the segment's start, or a little before its settled end."""
        policy, stable = self._policy, utterance.agreement.stable
        if (now - utterance.audio) * FRAME_S <= policy.window_s or not stable:
            return self._context.begin_of(utterance, now)
        latest = stable[-1].end - policy.overlap_s
        starts = [u.word.start for u in stable if u.word.start <= latest]
        wanted = int((starts[-1] if starts else utterance.audio * FRAME_S) / FRAME_S)
        return max(utterance.audio, wanted)

    def _work(
        self, kind: Literal["partial", "final"], utterance: Utterance, begin: int, end: int
    ) -> DecodeRequest:
        speech = spans(self._audio.probs(begin, end) >= self._policy.endpoint.enter)
        samples = self._audio.audio(begin, end)
        return DecodeRequest(kind, utterance.id, begin, end, samples, speech)

    def _of(self, work: DecodeRequest) -> Utterance | None:
        known = [*self._closed, *([self._open] if self._open else [])]
        return next((u for u in known if u.id == work.segment_id), None)

    # Results.

    def _suppose(self, utterance: Utterance, work: DecodeRequest, hypothesis: Hypothesis) -> None:
        """A result over an open segment: a hypothesis."""
        if not hypothesis.words:
            return
        view = utterance.agreement.update(
            hypothesis.words, work.start_s, work.end * FRAME_S, utterance.began * FRAME_S
        )
        utterance.looked = max(utterance.looked, work.end)
        if self._policy.partials and (view.stable, view.unstable) != utterance.shown:
            utterance.shown = (view.stable, view.unstable)
            utterance.seq += 1
            self._events.append(
                Partial(utterance.id, utterance.seq, *utterance.shown, work.end * FRAME_S)
            )

    def _settle(self) -> None:
        """Emit the finals that are ready, in order."""
        while self._closed:
            first = self._closed[0]
            if not first.settled(self._policy.retries):
                return
            self._closed.popleft()
            self._events.append(self._final(first, degraded=not first.covered))
        if self._over and self._open is None and not self._done:
            self._done = True
            self._events.append(Done(self.received_s, self._last_end * FRAME_S, self._ids))

    def _final(self, utterance: Utterance, *, degraded: bool) -> Final:
        hypothesis = utterance.hypothesis
        if degraded or hypothesis is None:
            text, words = utterance.agreement.give_up()
        else:
            text, words = utterance.agreement.close(hypothesis.words, utterance.audio * FRAME_S)
        assert utterance.closed is not None
        self._context.emitted(utterance, words)
        confidence = hypothesis.confidence if hypothesis else 0.0
        return Final(
            utterance.id, text, utterance.start * FRAME_S, utterance.end * FRAME_S,
            utterance.language, confidence, utterance.closed, words, degraded,
        )  # fmt: skip

    def _drop_audio(self) -> None:
        """Keep what unfinished segments need, and the lead-in of the next."""
        needed = [u.needs for u in self._closed]
        if self._open is not None:
            needed.append(self._open.needs)
        lead, now = self._policy.context_s + self._policy.endpoint.onset_s, self._points.frame
        needed.append(now - max(_frames(lead), self._context.kept(now)))
        self._audio.drop(min(needed))


def _frames(seconds: float) -> int:
    return max(1, round(seconds * (1 / FRAME_S)))
