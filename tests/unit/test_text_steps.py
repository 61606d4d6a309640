"""Text steps: where they run, and what they may not break."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.live_stack import Reader, idle, live_stack, said, silence, write
from tests.support.scripted_engine import options, recording, service
from tests.support.waiting import until
from zhiyin.core.recognition.result_cache import CachePolicy, ResultCache
from zhiyin.core.text_steps import TextSteps
from zhiyin.domain.caller import Caller
from zhiyin.domain.live import Final, Partial
from zhiyin.domain.options import TextOptions
from zhiyin.domain.subtitles import to_srt
from zhiyin.domain.transcript import Segment, Word
from zhiyin.engines.scripted import ScriptedEngine
from zhiyin.ops.observer_memory import MemoryObserver
from zhiyin.ports.text import TextContext
from zhiyin.store.cache_memory import MemoryCache

SOUND = [30] * 20 + [0] * 40 + [40] * 20


class Upper:
    """Spells words in upper case, and notes where it ran."""

    edition = "upper 1"

    def __init__(self) -> None:
        self.contexts: list[TextContext] = []

    def spell(self, words: Sequence[str], context: TextContext) -> Sequence[str]:
        self.contexts.append(context)
        return [word.upper() for word in words]


class Redact:
    """Rewrites T30 to something of another length."""

    edition = "redact 1"

    def rewrite(self, text: str, context: TextContext) -> str:
        return text.replace("T30", "[removed]")


def steps() -> TextSteps:
    return TextSteps([Upper()], [Redact()])


def test_words_keep_their_number_and_times() -> None:
    words = (Word("t30", 0.0, 1.0, 1.0), Word("t40", 1.0, 2.0, 1.0))
    segment = Segment("t30 t40", 0.0, 2.0, 1.0, words)
    made = steps().segment(segment, TextContext("en", TextOptions()))
    assert (made.text, made.display, made.shown) == ("T30 T40", "[removed] T40", "[removed] T40")
    assert [(w.text, w.start, w.end) for w in made.words] == [("T30", 0.0, 1.0), ("T40", 1.0, 2.0)]
    assert "[removed] T40" in to_srt([made])


async def test_recordings_get_all_steps_once_and_so_does_the_cache() -> None:
    upper = Upper()
    cached = ResultCache(MemoryCache(1 << 20, 60.0, 1 << 20), "e")
    async with service(ScriptedEngine(), results=cached, steps=TextSteps([upper], [Redact()])) as t:
        answers = [
            await t.transcribe(recording(SOUND), options(), Caller(), recall=policy)
            for policy in (CachePolicy(), CachePolicy())
        ]
        ran = len(upper.contexts)
    assert answers[0] == answers[1]
    assert "[removed]" in answers[0].text
    assert "T30" not in answers[0].text
    assert "T40" in answers[0].text
    assert any("T30" in segment.text for segment in answers[0].segments)
    assert ran == 2 * len(answers[0].segments), "a known result gets no step again"
    assert {context.language for context in upper.contexts} == {"en"}


async def test_other_text_options_are_another_result() -> None:
    observer = MemoryObserver()
    cached = ResultCache(MemoryCache(1 << 20, 60.0, 1 << 20), "e", observer)
    upper = Upper()
    async with service(ScriptedEngine(), results=cached, steps=TextSteps([upper])) as transcriber:
        for script in ("simplified", "traditional", "traditional"):
            wanted = options()
            object.__setattr__(wanted, "text", TextOptions(script))
            await transcriber.transcribe(recording(SOUND), wanted, Caller(), recall=CachePolicy())
    assert {context.options.script for context in upper.contexts} == {"simplified", "traditional"}
    counts = observer.totals("cache")
    assert (counts["hits"], counts["misses"]) == (1, 2)


async def test_partials_are_spelled_and_finals_begin_with_what_was_stable() -> None:
    async with live_stack(steps=steps()) as h:
        session = await h.open()
        reader = Reader(session)
        for _ in range(4):
            await write(session, said(30, 1.5))
            await until(lambda: idle(session))
        await write(session, silence())
        await session.finish()
        await reader.task
        (final,) = reader.of(Final)
        partials = reader.of(Partial)
        transcript = session.transcript()
        await session.close()
    assert any(p.stable for p in partials)
    assert all((p.stable + p.unstable).isupper() for p in partials)
    assert all(final.text.startswith(p.stable) for p in partials)
    assert set(final.text.split()) == {"T30"}
    assert set(final.shown.split()) == {"[removed]"}
    assert transcript.text == final.shown
