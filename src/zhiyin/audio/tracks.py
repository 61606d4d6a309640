"""Which of a file's sound tracks is recognized."""

from __future__ import annotations

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from zhiyin.audio.formats import AV_ERRORS, select, sound_tracks
from zhiyin.audio.frames import Frames
from zhiyin.audio.mono import Mono
from zhiyin.domain.errors import AsrError, InvalidRequest, UndecodableAudio

_LOOK_S = 600.0
"""Seconds of sound that are searched for the first track that is not silent."""

_NO_TRACK = "The file has no sound track."
_SILENT = 0.001
"""-60 dB of full scale."""


def named_track(container: InputContainer, number: int) -> AudioStream:
    """The sound track of that number, from 1. Raises InvalidRequest, UndecodableAudio."""
    tracks = container.streams.audio
    if not tracks:
        raise UndecodableAudio(_NO_TRACK, param="file")
    if not 1 <= number <= len(tracks):
        have = "1 sound track" if len(tracks) == 1 else f"{len(tracks)} sound tracks"
        raise InvalidRequest(
            f"The file has {have}, so there is no track {number}.",
            code="invalid_value",
            param="track",
        )
    if tracks[number - 1] not in sound_tracks(container):
        raise UndecodableAudio(f"The codec of sound track {number} is not read.", param="track")
    return tracks[number - 1]


def candidates(container: InputContainer) -> list[AudioStream]:
    """The tracks that may be recognized: default ones first. Raises UndecodableAudio."""
    if not container.streams.audio:
        raise UndecodableAudio(_NO_TRACK, param="file")
    tracks = sound_tracks(container)
    if not tracks:
        raise UndecodableAudio("The codec of the file's sound is not read.", param="file")
    return sorted(tracks, key=lambda track: not track.disposition & Disposition.default)


def first_with_sound(container: InputContainer, tracks: list[AudioStream]) -> AudioStream:
    """The first track that decodes and is not silent, else the first. Uses the container up."""
    select(container, tracks)
    states = {track.index: _State() for track in tracks}
    for track, frame in Frames(container, tracks):
        states[track.index].add(frame)
        if states[tracks[0].index].sounds:
            return tracks[0]
        if max(state.seconds for state in states.values()) > _LOOK_S:
            break
    return next((track for track in tracks if states[track.index].sounds), tracks[0])


class _State:
    """What is known of a track."""

    def __init__(self) -> None:
        self.sounds = False
        self.seconds = 0.0
        self._broken = False
        self._mono = Mono("file")

    def add(self, frame: AudioFrame) -> None:
        if self.sounds or self._broken:
            return
        try:
            self.seconds += self._mono.seconds(frame)
            for part in (*self._mono.convert(frame), *self._mono.flush()):
                self.sounds = self.sounds or bool(abs(part).max(initial=0.0) > _SILENT)
        except (AsrError, *AV_ERRORS):
            self._broken = True
