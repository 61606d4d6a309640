"""When the text before a piece is passed on, and when it is not."""

from __future__ import annotations

import numpy as np

from zhiyin.core.recognition.context import Context
from zhiyin.domain.audio import Piece
from zhiyin.domain.engine import ClipResult
from zhiyin.domain.transcript import DecodingStats, Segment

PIECE = Piece(np.zeros(16_000, np.float32), 0.0, speech=((0.5, 10.0),))


def result(text: str, end: float = 9.5, logprob: float = -0.2) -> ClipResult:
    stats = DecodingStats(avg_logprob=logprob)
    return ClipResult((Segment(text, 0.0, end, 0.9, stats=stats),), "en")


def test_sure_text_follows_the_callers_prompt() -> None:
    context = Context("Glossary.")
    assert context.prompt == "Glossary."
    context.add(result("One two three."))
    assert context.prompt == "Glossary. One two three."


def test_only_the_last_words_are_passed_on() -> None:
    context = Context("")
    context.add(result("x" * 500 + "end"))
    assert len(context.prompt) == 200
    assert context.prompt.endswith("end")


def test_unsure_or_no_text_is_forgotten() -> None:
    context = Context("")
    for bad in (result("Perhaps.", logprob=-0.9), ClipResult((), "en")):
        context.add(result("Sure."))
        context.add(bad)
        assert context.prompt == ""


def test_a_lost_end_or_doubt_under_a_context_asks_for_another_try() -> None:
    context = Context("")
    assert not context.misled(ClipResult((), "en"), PIECE)  # there was no context to blame
    context.add(result("Sure."))
    assert not context.misled(result("Fine."), PIECE)
    assert context.misled(result("Cut short.", end=4.0), PIECE)
    assert context.misled(result("Perhaps.", logprob=-0.9), PIECE)
    assert context.misled(ClipResult((), "en"), PIECE)
