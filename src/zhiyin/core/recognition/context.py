"""The text before a piece as context for the next, and when not to trust it.

Whisper conditioned on its own text can lose whole minutes: one bad piece spoils the next
(https://github.com/steipete/summarize/issues/363). So only sure text is passed on, and a piece
that lost its end under a context is decoded again without one.
"""

from __future__ import annotations

from zhiyin.domain.audio import Piece
from zhiyin.domain.engine import ClipResult
from zhiyin.domain.transcript import Segment, join_texts

_MOST_CHARS = 200
_SURE_LOGPROB = -0.6
_CALM_RATIO = 2.0
_LOST_S = 3.0


class Context:
    """The prompt for the next piece: the caller's, then the recording's text so far."""

    def __init__(self, prompt: str) -> None:
        self._asked = prompt
        self._recent = ""

    @property
    def prompt(self) -> str:
        """The caller's prompt, then the last sure text."""
        return " ".join(filter(None, (self._asked, self._recent)))

    def add(self, result: ClipResult) -> None:
        """Keep a piece's text for the next; drop everything when it is not sure."""
        if not result.segments or not all(map(_sure, result.segments)):
            self._recent = ""
            return
        text = join_texts(s.text for s in result.segments)
        self._recent = join_texts((self._recent, text))[-_MOST_CHARS:]

    def misled(self, result: ClipResult, piece: Piece) -> bool:
        """Whether speech at the end of the piece is missing, or it is unsure, under a context."""
        if not self._recent:
            return False
        end = result.segments[-1].end if result.segments else 0.0
        speech_end_s = piece.speech[-1][1] if piece.speech else 0.0
        return speech_end_s - end > _LOST_S or not all(map(_sure, result.segments))


def _sure(segment: Segment) -> bool:
    stats = segment.stats
    return (
        stats.avg_logprob >= _SURE_LOGPROB
        and stats.compression_ratio <= _CALM_RATIO
        and stats.temperature == 0
    )
