"""A short segment is decoded with the sound before it, and only its own words count."""

from __future__ import annotations

import pytest

from tests.support.live_drive import Drive
from zhiyin.core.live.context import ContextPolicy, own_words
from zhiyin.core.live.session import SessionPolicy
from zhiyin.core.live.utterance import DecodeRequest, Hypothesis
from zhiyin.core.segmentation.endpointing import FRAME_S
from zhiyin.domain.live import Final
from zhiyin.domain.transcript import Word

PACE = 0.5


def words(text: str, start: float = 0.0) -> list[Word]:
    """Words of half a second each."""
    return [
        Word(part, start + i * PACE, start + (i + 1) * PACE, 1.0)
        for i, part in enumerate(text.split())
    ]


def own(heard: list[Word], before: list[Word], ended_s: float, began_s: float) -> str:
    return " ".join(w.text for w in own_words(heard, before, 0.0, ended_s, began_s))


def test_the_words_of_the_finals_before_are_left_out() -> None:
    heard = [*words("we walked to the"), *words("river at noon", 2.6)]
    assert own(heard, words("we walked to the"), 2.0, 2.6) == "river at noon"


def test_times_that_are_off_are_mended_by_the_text() -> None:
    """The last word before the pause and the first after it meet in the middle of the pause."""
    before = words("but the fantasy")
    late = [*words("but the"), Word("fantasy", 1.0, 2.05, 1.0), Word("the", 2.1, 2.4, 1.0)]
    assert own(late, before, 1.5, 2.1) == "the"
    early = [*words("but the fantasy"), Word("dreams", 1.5, 2.5, 1.0)]
    assert own(early, before, 1.5, 2.1) == "dreams"


def test_one_word_that_is_two_the_next_time_is_not_repeated() -> None:
    before = [Word("1268037", 0.0, 1.5, 1.0)]
    heard = [Word("1268", 0.0, 0.8, 1.0), Word("037", 0.8, 1.6, 1.0), Word("967", 2.0, 2.6, 1.0)]
    assert own(heard, before, 1.5, 2.0) == "967"


def test_a_word_said_again_after_the_pause_stays() -> None:
    heard = [*words("no no"), *words("no", 1.6)]
    assert own(heard, words("no no"), 1.0, 1.6) == "no"


def test_a_word_misheard_before_does_not_come_again() -> None:
    heard = [*words("the English forwarded it"), *words("to them", 2.6)]
    assert own(heard, words("the English voted it"), 2.0, 2.6) == "to them"


def test_nothing_heard_is_nothing() -> None:
    assert own([], words("a"), 0.5, 1.0) == ""


def _finals(drive: Drive) -> list[DecodeRequest]:
    return [w for w in drive.works if w.kind == "final"]


def test_the_rest_of_a_sentence_is_decoded_with_its_beginning() -> None:
    drive = Drive(delay=2)
    drive.hear(True, 60)
    drive.hear(False, 20)
    drive.hear(True, 60)
    drive.hear(False, 20)
    drive.finish()
    drive.check()
    first, second = _finals(drive)
    assert (first.segment_id, second.segment_id) == (0, 1)
    assert second.begin == first.begin
    assert drive.text() == [w.text for w in drive.words(0, len(drive.said))]


@pytest.mark.parametrize("silence", [70, 200])
def test_a_long_silence_parts(silence: int) -> None:
    drive = Drive(delay=2)
    drive.hear(True, 60)
    drive.hear(False, silence)
    drive.hear(True, 60)
    drive.finish()
    assert _finals(drive)[-1].begin > 60


def test_a_commit_parts() -> None:
    drive = Drive(delay=2)
    drive.hear(True, 60)
    drive.commit()
    drive.hear(True, 60)
    drive.finish()
    assert _finals(drive)[-1].begin >= 60


def test_a_long_segment_is_decoded_by_itself() -> None:
    drive = Drive(SessionPolicy(partials=False), delay=2)
    drive.hear(True, 60)
    drive.hear(False, 20)
    drive.hear(True, 300)
    drive.finish()
    assert _finals(drive)[-1].begin > 60


def test_of_a_long_segment_before_there_is_only_its_end() -> None:
    policy = ContextPolicy()
    drive = Drive(delay=2)
    drive.hear(True, 500)
    drive.hear(False, 20)
    drive.hear(True, 40)
    drive.finish()
    drive.check()
    last = _finals(drive)[-1]
    spoken = 520 - last.begin
    assert 2.0 < spoken * FRAME_S <= policy.before_s
    assert drive.text() == [w.text for w in drive.words(0, len(drive.said))]


class Deaf(Drive):
    """Hears nothing after the first pause when there is something before it; `sure` of the rest."""

    sure = 1.0

    def words(self, begin: int, end: int) -> list[Word]:
        found = super().words(begin, end)
        return [w for w in found if w.end < 2.0] or found

    def _answer(self, work: DecodeRequest) -> None:
        said = self.words(work.begin, work.end)
        self.session.done(work, Hypothesis(tuple(said), "en", self.sure), 0.1)


def _deaf(sure: float, frames: int) -> Deaf:
    drive = Deaf(SessionPolicy(partials=False), delay=2)
    drive.sure = sure
    drive.hear(True, 60)
    drive.hear(False, 20)
    drive.hear(True, frames)
    drive.finish()
    drive.check()
    return drive


def test_what_is_not_found_beside_the_rest_is_decoded_by_itself() -> None:
    drive = _deaf(1.0, 40)
    assert [w.begin for w in _finals(drive)][-2] < 60 <= _finals(drive)[-1].begin
    assert drive.of(Final)[-1].text == "w8 w9 w10 w11"


@pytest.mark.parametrize(("sure", "frames", "words"), [(0.5, 20, 0), (0.7, 20, 2), (0.5, 40, 4)])
def test_and_then_a_short_sound_that_is_hardly_a_word_is_none(
    sure: float, frames: int, words: int
) -> None:
    assert len(_deaf(sure, frames).of(Final)[-1].text.split()) == words


def test_a_result_of_both_gives_the_second_its_own_confidence() -> None:
    class Unsure(Drive):
        def _answer(self, work: DecodeRequest) -> None:
            said = [Word(w.text, w.start, w.end, 0.2 if w.start > 2.5 else 1.0)
                    for w in self.words(work.begin, work.end)]  # fmt: skip
            self.session.done(work, Hypothesis(tuple(said), "en", 0.7), 0.1)

    drive = Unsure(delay=2)
    drive.hear(True, 60)
    drive.hear(False, 20)
    drive.hear(True, 60)
    drive.finish()
    assert [f.confidence for f in drive.of(Final)] == [pytest.approx(0.7), pytest.approx(0.2)]
