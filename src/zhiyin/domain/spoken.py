"""The language of a recording that nobody named, from the clips that were recognized."""

from __future__ import annotations

from collections import defaultdict

from zhiyin.domain.engine import ClipResult
from zhiyin.domain.script import CHINESE

_ENOUGH_S = 0.5
_HALF_LIFE_S = 15.0
_SURE = 0.8  # about a segment that names another language than its clip


class SpokenLanguages:
    """Evidence in seconds of speech, each weighted by how probable its language was.

    What was said `_HALF_LIFE_S` of speech ago counts half: people may go on in another language.
    """

    def __init__(self) -> None:
        self._recent: defaultdict[str, float] = defaultdict(float)

    @property
    def expected(self) -> str | None:
        """The language that is spoken at present; None while there is too little evidence."""
        if not self._recent:
            return None
        language = max(self._recent, key=lambda code: self._recent[code])
        return language if self._recent[language] >= _ENOUGH_S else None

    def written_as(self, language: str) -> str:
        """The language whose script a text is written in.

        A sentence of Mandarin that was taken for Cantonese is written as what is around it.
        """
        expected = self.expected
        return expected if expected and {expected, language} <= CHINESE else language

    def add(self, result: ClipResult) -> None:
        """Take the next clip into account; one whose language was named says nothing."""
        if result.language_probability is None:
            return
        for segment in result.segments:
            language = segment.language or result.language
            own = language == result.language
            seconds = segment.end - segment.start
            for code in self._recent:
                self._recent[code] *= 0.5 ** (seconds / _HALF_LIFE_S)
            self._recent[language] += seconds * (result.language_probability if own else _SURE)
