"""A first look at a file: which track is decoded, and how long it is."""

from __future__ import annotations

from dataclasses import dataclass

from av.container import InputContainer

from zhiyin.audio.declared import declared, holds
from zhiyin.audio.formats import select
from zhiyin.audio.tracks import candidates, first_with_sound, named_track
from zhiyin.domain.audio import AudioLimits
from zhiyin.domain.errors import TooLong
from zhiyin.domain.source import AudioSource

_CREDIBLE_S = 120.0
"""Declared lengths above this are compared with where the file's sound ends."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found. `track` counts the sound tracks from 0.

    `duration` in seconds is what the file holds, as far as that is known beforehand;
    `declared_by_track` is what it should hold.
    `used_up`: the container has been read, and has to be opened again.
    """

    track: int
    duration: float | None
    declared_by_track: float | None
    used_up: bool


def survey(
    container: InputContainer, source: AudioSource, limits: AudioLimits, number: int | None
) -> Survey:
    """Raises UndecodableAudio; InvalidRequest without a track of that number; TooLong."""
    used_up = False
    if number is not None:
        track = named_track(container, number)
    else:
        tracks = candidates(container)
        used_up = len(tracks) > 1
        track = first_with_sound(container, tracks) if used_up else tracks[0]
    at = container.streams.audio.index(track)
    said = declared(container, track, source)
    duration = said.length
    if duration is not None and duration > min(_CREDIBLE_S, limits.max_seconds):
        used_up = True
        select(container, [track])
        if not holds(container, track, min(0.9 * duration, limits.max_seconds)):
            duration = None
        elif duration > limits.max_seconds:
            raise too_long(limits)
    return Survey(at, duration, said.track, used_up)


def too_long(limits: AudioLimits) -> TooLong:
    """The error for a recording over the limit."""
    return TooLong(
        f"The recording is longer than the {limits.max_seconds:g} s that this server accepts. "
        "Send it in parts.",
        param="file",
    )
