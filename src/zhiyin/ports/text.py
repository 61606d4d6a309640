"""Text steps: what is done to recognized text after the engine.

Two kinds. Spelling steps (script, spacing) change how words are written and keep their number;
they run on partial results too, before hypotheses are compared, so that stable text is never
rewritten. Rewriting steps (numbers, punctuation, redaction) make the display text beside the
lexical text, which a final result keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from zhiyin.domain.options import TextOptions


@dataclass(frozen=True, slots=True)
class TextContext:
    """`language` is the code of the language that the text is written in."""

    language: str
    options: TextOptions


class TextStep(Protocol):
    """Thread-safe, and quick: microseconds for a sentence, as it runs on the event loop."""

    @property
    def edition(self) -> str:
        """Name and version of all that can change the text; cached results depend on it."""
        ...


class SpellingStep(TextStep, Protocol):
    """Changes how words are written."""

    def spell(self, words: Sequence[str], context: TextContext) -> Sequence[str]:
        """The words, which follow each other, one for each."""
        ...


class RewritingStep(TextStep, Protocol):
    """Changes what people read."""

    def rewrite(self, text: str, context: TextContext) -> str:
        """The display text of a segment, made from the step before."""
        ...
