"""Labelled recordings from files, for calibration: decoded and cut just as a request would be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from zhiyin.core.recognition.prepare import Preparer
from zhiyin.domain.audio import Samples
from zhiyin.domain.calibration import LabelledFile, LabelledRecording, OnProgress
from zhiyin.domain.errors import AsrError, TooLong, UndecodableAudio
from zhiyin.domain.source import AudioSource

Skip = Callable[[LabelledFile, AsrError], None]
"""Called with a recording that is left out, and why."""


async def read_labelled(
    preparer: Preparer,
    files: Sequence[LabelledFile],
    max_piece: float,
    skip: Skip,
    on_progress: OnProgress,
) -> list[LabelledRecording]:
    """The recordings in the order given, in clips of at most `max_piece` seconds.

    Those that can't be read, or are longer than the preparer's limit, are skipped.
    """
    found: list[LabelledRecording] = []
    for done, file in enumerate(files, 1):
        try:
            with _opened(file.path) as source:
                clips = await _cut(preparer, source, max_piece)
        except (UndecodableAudio, TooLong) as error:
            skip(file, error)
        else:
            found.append(LabelledRecording(file.language, clips, file.reference))
        on_progress(done, len(files))
    return found


@contextmanager
def _opened(path: Path) -> Iterator[AudioSource]:
    try:
        stream, size = path.open("rb"), path.stat().st_size
    except OSError as error:
        raise UndecodableAudio(f"{error.strerror or error}.") from error
    with stream:
        yield AudioSource(stream, size)


async def _cut(preparer: Preparer, source: AudioSource, max_piece: float) -> tuple[Samples, ...]:
    preparation = await preparer.open(source, gated=True, max_piece=max_piece)
    clips: list[Samples] = []
    try:
        while (piece := await preparation.next()) is not None:
            clips.append(piece.samples)
    finally:
        await preparation.close()
    return tuple(clips)
