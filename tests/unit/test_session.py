"""The promises of a live session, driven through random speech, pauses, commits and failures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.live_drive import WORD, Drive
from zhiyin.core.live.session import SessionPolicy
from zhiyin.domain.live import Done, Final, Partial, SpeechEnded, Warned
from zhiyin.domain.transcript import Word
from zhiyin.ports.vad import FRAME

_MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("speech"), st.integers(1, 120)),
        st.tuples(st.just("silence"), st.integers(1, 60)),
        st.tuples(st.just("commit"), st.just(0)),
        st.tuples(st.just("fail"), st.integers(1, 3)),
    ),
    max_size=14,
)


@settings(max_examples=150)
@given(_MOVES, st.integers(1, 60), st.booleans())
def test_promises(moves: list[tuple[str, int]], delay: int, garble: bool) -> None:
    drive = Drive(delay=delay, garble=garble)
    for move, size in moves:
        if move == "commit":
            drive.commit()
        elif move == "fail":
            drive.failing = size
        else:
            drive.hear(move == "speech", size, 0.02 * (1 + size % 5))
    drive.finish()
    drive.check()
    drive.covers_all_speech()


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(2, 30), st.integers(2, 12)), min_size=1, max_size=8),
    st.integers(1, 50),
)
def test_every_word_is_heard_once(runs: list[tuple[int, int]], delay: int) -> None:
    """With an engine that is slow, and wrong about the last word of every partial."""
    drive = Drive(delay=delay)
    for words, pause in runs:
        drive.hear(True, words * WORD)
        drive.hear(False, pause * WORD)
    drive.finish()
    drive.check()
    assert drive.text() == [w.text for w in drive.words(0, len(drive.said))]


def test_an_hour_without_pause_is_split_and_memory_stays_bounded() -> None:
    drive = Drive(delay=10)
    held = 0.0
    for _ in range(400):
        drive.hear(True, 30 * WORD)
        held = max(held, drive.session.held_s)
    drive.finish()
    drive.check()
    expected = [w.text for w in drive.words(0, len(drive.said))]
    assert drive.text() == expected
    assert held < 60
    assert max(len(w.samples) / 16_000 for w in drive.works) < 28


@pytest.mark.parametrize("loudness", [0.02, 0.05, 0.2])
def test_a_cut_at_a_calm_moment_repeats_nothing_that_is_settled(loudness: float) -> None:
    drive = Drive(delay=4)
    for _ in range(20):
        drive.hear(True, 7 * WORD, loudness)
        drive.hear(True, 2 * WORD)
    drive.finish()
    drive.check()
    assert [f.reason for f in drive.of(Final)][:2] == ["split", "split"]
    assert drive.text() == [w.text for w in drive.words(0, len(drive.said))]


def test_partials_come_while_somebody_speaks() -> None:
    drive = Drive(delay=5)
    drive.hear(True, 20 * WORD)
    partials = drive.of(Partial)
    assert partials[0].audio_end < 1.0
    assert len(partials) > 5
    assert len(partials[-1].stable.split()) > 10
    assert "uh" not in partials[-1].stable


def test_who_wants_no_partials_gets_none() -> None:
    """Nor from what was worked on ahead in a pause that was none."""
    drive = Drive(SessionPolicy(partials=False), delay=2)
    for _ in range(5):
        drive.hear(True, 6 * WORD)
        drive.hear(False, 10)
    drive.finish()
    drive.check()
    assert [w.kind for w in drive.works].count("final") == 5
    assert drive.of(Partial) == []


def test_a_result_worked_on_ahead_is_the_final() -> None:
    """The decode starts in the pause; when the segment ends its result is there."""
    drive = Drive(delay=5)
    drive.hear(True, 6 * WORD)
    drive.hear(False, 16)
    assert [w.kind for w in drive.works].count("final") == 1
    assert len(drive.of(Final)) == 1
    assert drive.of(Final)[0].reason == "vad"


def test_a_segment_stays_open_while_its_final_is_being_decoded() -> None:
    """Nobody would get the final sooner, and who goes on speaking is not cut off."""
    drive = Drive(delay=14)
    drive.hear(True, 6 * WORD)
    drive.hear(False, 19)
    drive.hear(True, 6 * WORD)
    drive.hear(False, 40)
    (final,) = drive.of(Final)
    assert final.reason == "vad"
    drive.finish()
    drive.check()


def test_it_ends_when_the_final_has_come_and_at_last_without_it() -> None:
    drive = Drive(delay=12)
    drive.hear(True, 6 * WORD)
    drive.hear(False, 18)
    assert drive.of(SpeechEnded) == []
    drive.hear(False, 2)
    assert len(drive.of(Final)) == 1  # 19 frames: 7 until the pause, 12 of work
    stuck = Drive(delay=400)
    stuck.hear(True, 6 * WORD)
    stuck.hear(False, 28)
    assert stuck.of(SpeechEnded) == []
    stuck.hear(False, 2)
    assert len(stuck.of(SpeechEnded)) == 1


@pytest.mark.parametrize(("ending", "cut"), [("...", False), (",", False), (".", True), ("", True)])
def test_text_that_breaks_off_waits_a_little_longer(ending: str, cut: bool) -> None:
    class Ended(Drive):
        def words(self, begin: int, end: int) -> list[Word]:
            found = super().words(begin, end)
            return [*found[:-1], replace(found[-1], text=found[-1].text + ending)]

    drive = Ended(delay=2, garble=False)
    drive.hear(True, 6 * WORD)
    drive.hear(False, 20)
    drive.hear(True, 6 * WORD)
    drive.hear(False, 40)
    assert len(drive.of(Final)) == (2 if cut else 1)


@pytest.mark.parametrize("spoken", range(70, 90))
def test_no_partial_begins_in_what_may_be_a_pause(spoken: int) -> None:
    """It would only be in the way of the final."""
    drive = Drive(delay=2)
    drive.hear(True, spoken)
    drive.hear(False, 30)
    assert [w for w in drive.works if w.kind == "partial" and w.end > spoken + 1] == []


def test_a_failing_engine_gives_a_degraded_final() -> None:
    drive = Drive(delay=2)
    drive.hear(True, 20 * WORD)
    drive.failing = 100
    drive.hear(False, 30)
    (final,) = drive.of(Final)
    assert final.degraded
    assert final.text.split()[:5] == ["w0", "w1", "w2", "w3", "w4"]


def test_falling_behind_is_announced() -> None:
    drive = Drive(delay=400)
    for _ in range(8):
        drive.hear(True, 3 * WORD)
        drive.hear(False, 20)
    assert [w.code for w in drive.of(Warned)] == ["partials_paused"]
    drive.finish()
    drive.check()


def test_partials_that_come_seldom_are_announced_once_and_so_is_their_return() -> None:
    drive = Drive(delay=20)
    drive.hear(True, 100 * WORD)
    assert [w.code for w in drive.of(Warned)] == ["partials_slower"]
    drive.delay = 3
    drive.hear(True, 100 * WORD)
    assert [w.code for w in drive.of(Warned)] == ["partials_slower", "partials_resumed"]
    drive.finish()
    drive.check()


def test_an_hour_of_silence_opens_nothing_and_is_not_kept() -> None:
    drive = Drive()
    second = 31
    for _ in range(3600):
        drive.session.push(np.zeros(second * FRAME, np.float32), np.full(second, 0.02, np.float32))
        assert drive.session.next_work() is None
        assert drive.session.held_s < 3
    drive.commit()
    drive.finish()
    assert [type(e) for e in drive.events] == [Done]
    assert drive.works == []
