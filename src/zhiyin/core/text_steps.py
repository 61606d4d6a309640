"""Runs the text steps: on the segments of recordings, and on words and finals of live sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zhiyin.domain.transcript import Segment
from zhiyin.ports.text import RewritingStep, SpellingStep, TextContext


class TextSteps:
    """Spelling steps in their order, then rewriting steps in theirs."""

    def __init__(
        self, spelling: Sequence[SpellingStep] = (), rewriting: Sequence[RewritingStep] = ()
    ) -> None:
        self._spelling = spelling
        self._rewriting = rewriting

    @property
    def edition(self) -> str:
        """Names all steps; see `ports.text.TextStep`."""
        return " ".join(step.edition for step in (*self._spelling, *self._rewriting))

    def spell(self, words: Sequence[str], context: TextContext) -> Sequence[str]:
        """Words of a hypothesis as they are written; one for each."""
        for step in self._spelling:
            words = step.spell(words, context)
        return words

    def display(self, lexical: str, context: TextContext) -> str:
        """What people read, from text that was spelled; empty when it is the same."""
        text = lexical
        for step in self._rewriting:
            text = step.rewrite(text, context)
        return "" if text == lexical else text

    def segment(self, segment: Segment, context: TextContext) -> Segment:
        """A segment with all steps done; its words keep their number and times."""
        (text,) = self.spell([segment.text], context)
        spelled = self.spell([word.text for word in segment.words], context)
        words = (replace(w, text=t) for w, t in zip(segment.words, spelled, strict=True))
        return replace(segment, text=text, words=tuple(words), display=self.display(text, context))
