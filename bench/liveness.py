"""What a live server was worth to its speakers, from what they saw. Pure.

Seconds; sound at second x of a talk was sent at second x of it, so every delay is a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from bench.latency import Latency, latency
from bench.talking import Talk
from zhiyin.scoring import Edits, score, total


@dataclass(frozen=True, slots=True)
class Liveness:
    """Sums over talks.

    `final_after_commit` is from the commit to the last final; `final_after_silence` from the sound
    that completed the configured silence to the final; `first_partial` from the start of speech;
    `stable_word` from the end of a word to its being settled. `erasure` is characters taken back
    over characters of finals, `lost_tails` talks whose last final ends before their speech.
    """

    talks: int
    audio_s: float
    final_after_commit: Latency | None
    final_after_silence: Latency | None
    first_partial: Latency | None
    stable_word: Latency | None
    erasure: float
    changed_finals: int
    lost_tails: int
    silent_text: int
    errors: int
    client_lag_s: float
    error_percent: float | None


def liveness(talks: Sequence[Talk], lang: str) -> Liveness:
    """The figures for talks in one language ("none": no speech in them)."""
    spoken = [t for t in talks if not t.recording.non_speech]
    return Liveness(
        talks=len(talks),
        audio_s=sum(t.sent_s for t in talks),
        final_after_commit=latency(_each(_after_commit, talks)),
        final_after_silence=latency(_each(_after_silence, talks)),
        first_partial=latency(_each(_first_partial, talks)),
        stable_word=latency(_each(_stable_words, talks)),
        erasure=_erasure(talks),
        changed_finals=sum(_changed(t) for t in talks),
        lost_tails=sum(_lost(t) for t in spoken),
        silent_text=sum(len(t.text.strip()) for t in talks if t.recording.non_speech),
        errors=sum(len(t.of("error")) for t in talks),
        client_lag_s=max((t.lag_s for t in talks), default=0.0),
        error_percent=total(_scored(spoken, lang)).percent if spoken else None,
    )


def _each(figure: Callable[[Talk], Iterator[float]], talks: Iterable[Talk]) -> Iterator[float]:
    for talk in talks:
        yield from figure(talk)


def _scored(talks: Iterable[Talk], lang: str) -> Iterator[Edits]:
    for talk in talks:
        yield score(talk.recording.reference, talk.text, lang)


def _after_commit(talk: Talk) -> Iterator[float]:
    ended = [at for at, event in talk.of("final") if event["reason"] == "commit"]
    if ended:
        yield ended[-1] - talk.ended_s


def _after_silence(talk: Talk) -> Iterator[float]:
    for at, event in talk.of("final"):
        if event["reason"] == "vad":
            yield at - event["end"]


def _first_partial(talk: Talk) -> Iterator[float]:
    started = {e["segment_id"]: at for at, e in talk.of("speech_started")}
    begun = {e["segment_id"]: e["start"] + 0.3 for _, e in talk.of("speech_started")}
    for at, event in talk.of("partial"):
        segment = event["segment_id"]
        if segment in started:
            del started[segment]
            yield at - begun[segment]


def _stable_words(talk: Talk) -> Iterator[float]:
    words = {e["segment_id"]: e.get("words") or [] for _, e in talk.of("final")}
    settled: dict[int, int] = {}
    for at, event in talk.events:
        if event["type"] not in ("partial", "final"):
            continue
        segment = event["segment_id"]
        text = event["stable"] if event["type"] == "partial" else event["text"]
        count = _words_in(text, words.get(segment, []))
        for word in words.get(segment, [])[settled.get(segment, 0) : count]:
            yield at - word["end"]
        settled[segment] = max(count, settled.get(segment, 0))


def _words_in(text: str, words: Sequence[dict[str, object]]) -> int:
    """How many of the words the text holds from its start."""
    letters = len(_letters(text))
    count = 0
    for word in words:
        letters -= len(_letters(str(word["word"])))
        if letters < 0:
            break
        count += 1
    return count


def _letters(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


def _erasure(talks: Iterable[Talk]) -> float:
    erased = final = 0
    for talk in talks:
        shown: dict[int, list[str]] = {}
        for _, event in talk.events:
            if event["type"] == "partial":
                shown.setdefault(event["segment_id"], []).append(
                    event["stable"] + event["unstable"]
                )
            elif event["type"] == "final":
                shown.setdefault(event["segment_id"], []).append(event["text"])
                final += len(event["text"])
        for texts in shown.values():
            erased += sum(_taken_back(a, b) for a, b in pairwise(texts))
    return erased / final if final else 0.0


def _taken_back(before: str, after: str) -> int:
    kept = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))
    )
    return len(before) - kept


def _changed(talk: Talk) -> int:
    finals = [e["segment_id"] for _, e in talk.of("final")]
    return len(finals) - len(set(finals))


def _lost(talk: Talk) -> bool:
    """The speech of every segment that was opened must lie in a final."""
    opened = {e["segment_id"] for _, e in talk.of("speech_started")}
    return opened != {e["segment_id"] for _, e in talk.of("final")}
