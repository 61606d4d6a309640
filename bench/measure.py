"""Running recognizers over recordings, file by file and in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.manifest import Recording
from bench.peer import Peer
from zhiyin.scoring import Edits, score, visible_characters

# whisper-base knows no Cantonese, and no Whisper takes two languages at once.
_SPOKEN_AS = {"yue": "zh", "zh-en": "zh"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one recognizer made of a recording in `wall_s` seconds.

    `invented` counts letters and digits for recordings without speech. `error` is empty unless the
    recognizer failed; the text is empty then, and every unit of the reference is missing.
    """

    text: str
    wall_s: float
    edits: Edits
    invented: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A recording with what each recognizer, by name, made of it."""

    recording: Recording
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True, slots=True)
class Course:
    """How to run: `detect` names no language; `pause_s` seconds of rest before each call."""

    detect: bool = False
    pause_s: float = 0.0


def run(peers: Sequence[Peer], recordings: Sequence[Recording], course: Course) -> Iterator[Row]:
    """A row for each recording, as they come.

    Each recording goes through all peers before the next one; who starts changes every time, so
    that a machine that slows down, or a warm file cache, favours no peer.
    """
    for index, recording in enumerate(recordings):
        first = index % len(peers)
        order = [*peers[first:], *peers[:first]]
        yield Row(recording, {peer.name: _outcome(peer, recording, course) for peer in order})


def warm_up(peers: Sequence[Peer], recordings: Sequence[Recording]) -> None:
    """Let every peer transcribe once, so that loading and first-use costs are not measured."""
    spoken = [r for r in recordings if not r.non_speech] or recordings
    if spoken:
        shortest = min(spoken, key=lambda r: abs(r.seconds - 3.0))
        for peer in peers:
            peer.transcribe(shortest.path, spoken_as(shortest))


def _outcome(peer: Peer, recording: Recording, course: Course) -> Outcome:
    language = None if course.detect else spoken_as(recording)
    # A runtime's worker threads may spin for a while after their last work (Intel's OpenMP: 0.2 s)
    # and take cores from the next peer.
    time.sleep(course.pause_s)
    start = time.perf_counter()
    try:
        text, error = peer.transcribe(recording.path, language), ""
    except Exception as failure:  # noqa: BLE001 (a failed recording is a result, not the end)
        text, error = "", f"{type(failure).__name__}: {failure}"
    wall_s = time.perf_counter() - start
    if recording.non_speech:
        return Outcome(text, wall_s, Edits(), visible_characters(text), error)
    edits = score(recording.reference, text, recording.lang)
    return Outcome(text, wall_s, edits, error=error)


def spoken_as(recording: Recording) -> str | None:
    """The language that a recognizer gets; None for recordings without speech."""
    if recording.non_speech:
        return None
    return _SPOKEN_AS.get(recording.lang, recording.lang)
