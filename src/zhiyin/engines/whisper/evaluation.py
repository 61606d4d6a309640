"""Evaluation of policies: cost and text, looked up in a table of decodings. Pure: decodes nothing.

A clip is decoded once for each window, padding and beam. Every policy, with any guard threshold,
is then looked up: `doubt_logprob` only decides whether the full window is looked up as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from zhiyin.domain.transcript import join_texts
from zhiyin.engines.whisper.guard import Hypothesis, better, is_doubtful, is_silence
from zhiyin.engines.whisper.policy import FULL_WINDOW_S, DecodePolicy

BEAMS = (1, 5)
REFERENCE_BEAM = 5
PADDINGS = (False, True)
THRESHOLDS = (-1.0, -0.8, -0.7, -0.6, -0.5, -0.4, -0.3)

Count = Callable[[str, str], tuple[int, int]]
"""From reference and text to errors and units of reference."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to decode a clip; `window` in seconds of encoder input."""

    window: float
    pad_audio: bool
    beam_size: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it at temperature 0, and the seconds in encoder and decoder."""

    hypothesis: Hypothesis
    engine_s: float


@dataclass(frozen=True, slots=True)
class DecodedClip:
    """A clip of `seconds` with all that was tried on it."""

    seconds: float
    attempts: Mapping[Setting, Attempt]


@dataclass(frozen=True, slots=True)
class DecodedRecording:
    """The clips of a recording in order, and its reference text."""

    reference: str
    clips: tuple[DecodedClip, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A policy's text of a clip; `again`: the full window was needed as well."""

    text: str
    engine_s: float
    again: bool


@dataclass(frozen=True, slots=True)
class Result:
    """A policy over all recordings: `again` of `clips` were decoded a second time."""

    policy: DecodePolicy
    errors: int
    units: int
    engine_s: float
    clips: int
    again: int

    @property
    def error_percent(self) -> float:
        """Errors in percent of the reference."""
        return 100 * self.errors / max(1, self.units)


@dataclass(frozen=True, slots=True)
class Choice:
    """The best result of every window, padding and beam, and the one that was chosen."""

    reference: Result
    candidates: tuple[Result, ...]
    chosen: Result


def settings(seconds: float, windows: Iterable[tuple[float, float]]) -> set[Setting]:
    """All that has to be tried on a clip so that every policy can be looked up."""
    lengths = {DecodePolicy(floor_s=floor, tail_s=tail).window(seconds) for floor, tail in windows}
    lengths.add(FULL_WINDOW_S)
    return {Setting(w, pad, beam) for w in lengths for pad in PADDINGS for beam in BEAMS}


def look_up(clip: DecodedClip, policy: DecodePolicy) -> Outcome:
    """What the engine would have decoded; see `decoding.Pass`."""
    window = policy.window(clip.seconds)
    first = _attempt(clip, policy, window)
    if window >= FULL_WINDOW_S or not is_doubtful(first.hypothesis, policy):
        return Outcome(_text(first.hypothesis, policy), first.engine_s, again=False)
    second = _attempt(clip, policy, FULL_WINDOW_S)
    believed = better(first.hypothesis, second.hypothesis, policy)
    return Outcome(_text(believed, policy), first.engine_s + second.engine_s, again=True)


def evaluate(recordings: Iterable[DecodedRecording], policy: DecodePolicy, count: Count) -> Result:
    """Sums over all recordings."""
    total = Result(policy, 0, 0, 0.0, 0, 0)
    for recording in recordings:
        outcomes = [look_up(clip, policy) for clip in recording.clips]
        errors, units = count(recording.reference, join_texts(o.text for o in outcomes))
        total = replace(
            total,
            errors=total.errors + errors,
            units=total.units + units,
            engine_s=total.engine_s + sum(o.engine_s for o in outcomes),
            clips=total.clips + len(outcomes),
            again=total.again + sum(o.again for o in outcomes),
        )
    return total


def choose(
    recordings: Sequence[DecodedRecording],
    windows: Sequence[tuple[float, float]],
    count: Count,
    tolerance: float,
) -> Choice:
    """The cheapest policy whose error rate is at most `tolerance` points above the reference.

    The reference is the full window with a wide beam and the better padding. It is a candidate
    itself, so that it stays when nothing cheaper is as good.
    """
    full = [[evaluate(recordings, policy, count)] for policy in _full_policies()]
    reference = min(
        (r for group in full for r in group if r.policy.beam_size == REFERENCE_BEAM),
        key=lambda r: r.errors,
    )
    most = reference.errors + reference.units * tolerance / 100
    short = [
        [evaluate(recordings, policy, count) for policy in policies]
        for policies in _short_policies(windows)
    ]
    candidates = tuple(pick(group, most) for group in full + short)
    return Choice(reference, candidates, pick(candidates, most))


def pick(results: Iterable[Result], most: float) -> Result:
    """The cheapest with at most so many errors; without one, that with the fewest errors.

    Of equals the one with the more careful guard: here it cost nothing, elsewhere it may help.
    """
    found = list(results)
    good = [r for r in found if r.errors <= most]
    if good:
        return min(good, key=lambda r: (r.engine_s, r.errors, -r.policy.doubt_logprob))
    return min(found, key=lambda r: (r.errors, r.engine_s, -r.policy.doubt_logprob))


def _full_policies() -> Iterator[DecodePolicy]:
    for pad_audio in PADDINGS:
        for beam_size in BEAMS:
            yield DecodePolicy(pad_audio=pad_audio, beam_size=beam_size)


def _short_policies(windows: Iterable[tuple[float, float]]) -> Iterator[list[DecodePolicy]]:
    """Groups that differ in the guard's threshold only."""
    for floor, tail in windows:
        for full in _full_policies():
            short = replace(full, floor_s=floor, tail_s=tail)
            yield [replace(short, doubt_logprob=threshold) for threshold in THRESHOLDS]


def _attempt(clip: DecodedClip, policy: DecodePolicy, window: float) -> Attempt:
    return clip.attempts[Setting(window, policy.pad_audio, policy.beam_size)]


def _text(hypothesis: Hypothesis, policy: DecodePolicy) -> str:
    return "" if is_silence(hypothesis, policy) else hypothesis.text
