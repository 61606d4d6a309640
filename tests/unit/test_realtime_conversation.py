"""Events of a live session in, events of the Realtime protocol out."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.access.ws.realtime.conversation import Conversation
from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.live import (
    Done,
    Final,
    LiveEvent,
    Partial,
    Reason,
    SpeechEnded,
    SpeechStarted,
    Warned,
)

Wire = list[dict[str, Any]]

_KEYS = {
    "input_audio_buffer.speech_started": {"audio_start_ms", "item_id"},
    "input_audio_buffer.speech_stopped": {"audio_end_ms", "item_id"},
    "input_audio_buffer.committed": {"item_id", "previous_item_id"},
    "input_audio_buffer.cleared": set(),
    "conversation.item.created": {"item"},
    "conversation.item.added": {"item"},
    "conversation.item.done": {"item"},
    "delta": {"item_id", "content_index", "delta"},
    "completed": {"item_id", "content_index", "transcript", "usage", "languages"},
    "failed": {"item_id", "content_index", "error"},
}


def conversation(*, manual: bool = False) -> Conversation:
    numbers = count()
    made = Conversation(lambda prefix: f"{prefix}_{next(numbers)}")
    made.restart(0.0, manual=manual)
    return made


def final(segment: int, text: str, *, reason: Reason = "vad", degraded: bool = False) -> Final:
    start = segment * 2.0
    return Final(segment, text, start, start + 1.5, "en", 0.9, reason, (), degraded)


def short(kind: str) -> str:
    return kind.removeprefix("conversation.item.input_audio_transcription.")


def kinds(wire: Wire) -> list[str]:
    return [short(e["type"]) for e in wire]


def run(talk: Conversation, *events: LiveEvent) -> Wire:
    return [e for event in events for e in talk.on(event)]


def deltas(wire: Wire) -> str:
    return "".join(e["delta"] for e in wire if "delta" in e)


def test_a_turn_in_the_order_of_the_protocol() -> None:
    wire = run(
        conversation(),
        SpeechStarted(0, 0.5),
        Partial(0, 1, "", "Good", 1.0),
        Partial(0, 2, "Good morn", "ing", 1.5),
        SpeechEnded(0, 2.0),
        final(0, "Good morning, all."),
    )
    assert kinds(wire) == [
        "input_audio_buffer.speech_started", "delta", "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
        "delta", "completed",
    ]  # fmt: skip
    for event in wire:
        assert set(event) - {"type", "event_id"} == _KEYS[short(event["type"])]
        assert event.get("content_index", 0) == 0
    assert len({e["event_id"] for e in wire}) == len(wire)
    assert {e["item_id"] for e in wire if "item_id" in e} == {wire[4]["item"]["id"]}
    assert (wire[0]["audio_start_ms"], wire[2]["audio_end_ms"]) == (500, 2000)
    assert wire[3]["previous_item_id"] is None
    assert [e["delta"] for e in wire if "delta" in e] == ["Good morn", "ing, all."]
    assert wire[-1]["transcript"] == "Good morning, all."
    assert wire[-1]["usage"] == {"type": "duration", "seconds": 1.5}
    assert wire[-1]["languages"] == [{"code": "en"}]


def test_turns_overlap_and_are_linked() -> None:
    wire = run(
        conversation(),
        SpeechStarted(0, 0.5),
        SpeechEnded(0, 2.0),
        SpeechStarted(1, 2.5),
        SpeechEnded(1, 4.0),
        final(0, "One."),
        final(1, "Two."),
    )
    first, second = (e for e in wire if e["type"].endswith("committed"))
    assert second["previous_item_id"] == first["item_id"]
    said = {e["item_id"]: e["transcript"] for e in wire if "transcript" in e}
    assert said == {first["item_id"]: "One.", second["item_id"]: "Two."}


def test_the_older_shape_creates_items() -> None:
    talk = conversation()
    talk.flat = True
    wire = run(talk, SpeechStarted(0, 0.5), SpeechEnded(0, 2.0))
    assert kinds(wire)[-1] == "conversation.item.created"
    assert set(wire[-1]) - {"type", "event_id"} == {"item"}


def test_degraded_text_is_text_and_none_is_a_failure() -> None:
    talk = conversation()
    wire = run(
        talk, SpeechStarted(0, 0.5), SpeechEnded(0, 2.0), final(0, "Half", degraded=True),
        SpeechStarted(1, 2.5), SpeechEnded(1, 4.0), final(1, "", degraded=True),
    )  # fmt: skip
    assert kinds(wire).count("completed") == 1
    assert kinds(wire)[-1] == "failed"
    assert set(wire[-1]["error"]) == {"type", "code", "message", "param"}


def test_a_clients_commit_holds_all_segments_since_the_last() -> None:
    talk = conversation(manual=True)
    wire = run(
        talk, SpeechStarted(0, 0.5), Partial(0, 1, "One two", "", 1.0), SpeechEnded(0, 25.0),
        SpeechStarted(1, 25.0), final(0, "One two.", reason="split"),
        Partial(1, 1, "Three", "", 26.0),
    )  # fmt: skip
    assert kinds(wire) == ["delta", "delta", "delta"]
    wire += talk.commit(30.0, 2)
    assert kinds(wire)[3:] == [
        "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
    ]  # fmt: skip
    wire += run(talk, SpeechEnded(1, 30.0), final(1, "Three four.", reason="commit"))
    assert wire[-1]["transcript"] == deltas(wire) == "One two. Three four."
    assert wire[-1]["usage"]["seconds"] == 30.0
    assert {e["item_id"] for e in wire if "item_id" in e} == {wire[-1]["item_id"]}


def test_a_commit_without_speech_has_an_empty_transcript() -> None:
    for manual in (True, False):
        wire = conversation(manual=manual).commit(2.0, 0)
        assert kinds(wire)[-1] == "completed"
        assert wire[-1]["transcript"] == ""
        assert wire[-1]["languages"] == []


def test_a_commit_may_be_known_before_its_segments() -> None:
    talk = conversation(manual=True)
    wire = talk.commit(3.0, 1) + talk.commit(6.0, 2)
    wire += run(talk, SpeechStarted(0, 0.5), SpeechEnded(0, 3.0), SpeechStarted(1, 3.5))
    wire += run(talk, SpeechEnded(1, 6.0), final(0, "One."), final(1, "Two."))
    committed = [e["item_id"] for e in wire if e["type"].endswith("committed")]
    assert [(e["item_id"], e["transcript"]) for e in wire if "transcript" in e] == [
        (committed[0], "One."), (committed[1], "Two."),
    ]  # fmt: skip


def test_a_commit_during_a_turn_waits_for_its_end() -> None:
    talk = conversation()
    wire = run(talk, SpeechStarted(0, 0.5)) + talk.commit(2.0, 1)
    assert kinds(wire) == ["input_audio_buffer.speech_started"]
    wire += run(talk, SpeechEnded(0, 2.0), final(0, "One.", reason="commit"))
    assert kinds(wire).count("input_audio_buffer.committed") == 1
    assert kinds(wire)[-1] == "completed"


@pytest.mark.parametrize("manual", [True, False])
def test_what_was_cleared_is_never_told(manual: bool) -> None:
    talk = conversation(manual=manual)
    run(talk, SpeechStarted(0, 0.5), Partial(0, 1, "One", "", 1.0))
    assert kinds(talk.clear(1.0, 1)) == ["input_audio_buffer.cleared"]
    assert run(talk, SpeechEnded(0, 1.0), final(0, "One.")) == []
    with pytest.raises(InvalidRequest):
        talk.check_commit(1.05)
    wire = run(talk, SpeechStarted(1, 1.5), SpeechEnded(1, 3.0)) + talk.commit(3.0, 2)
    wire += run(talk, final(1, "Two."))
    assert [e["transcript"] for e in wire if "transcript" in e][-1] == "Two."
    assert "One" not in deltas(wire)


def test_a_commit_needs_a_tenth_of_a_second() -> None:
    talk = conversation()
    with pytest.raises(InvalidRequest) as raised:
        talk.check_commit(0.05)
    assert raised.value.code == "input_audio_buffer_commit_empty"
    talk.check_commit(0.1)
    run(talk, SpeechStarted(0, 0.5), SpeechEnded(0, 2.0))
    with pytest.raises(InvalidRequest):
        talk.check_commit(2.05)


def test_speech_goes_on_in_another_session() -> None:
    talk = conversation(manual=True)
    wire = run(talk, SpeechStarted(0, 0.5), SpeechEnded(0, 2.0), final(0, "One.", reason="eof"))
    wire += talk.restart(2.0, manual=True)
    wire += run(talk, SpeechStarted(0, 0.1), SpeechEnded(0, 2.0), final(0, "Two.", reason="eof"))
    wire += talk.commit(4.0, 1)
    assert wire[-1]["transcript"] == deltas(wire) == "One. Two."
    run(talk, SpeechStarted(1, 4.1), SpeechEnded(1, 5.0), final(1, "Three.", reason="eof"))
    wire = talk.restart(6.0, manual=False)
    assert wire[-1]["transcript"] == "Three."
    started = run(talk, SpeechStarted(0, 0.25))
    assert started[0]["audio_start_ms"] == 6250


def test_what_the_protocol_does_not_know_is_not_told() -> None:
    assert run(conversation(), Warned("partials_paused", "behind"), Done(1.0, 1.0, 0)) == []


@dataclass
class Client:
    """A client and its session, which splits nothing; events are read after they happened."""

    talk: Conversation
    manual: bool
    wire: Wire = field(default_factory=list)
    unread: list[LiveEvent] = field(default_factory=list)
    opened: int = 0
    now: float = 0.0
    speaks: bool = False

    def speech(self) -> None:
        if not self.speaks:
            self.unread.append(SpeechStarted(self.opened, self.now))
            self.opened, self.speaks = self.opened + 1, True

    def quiet(self) -> None:
        if not self.manual:
            self._end()

    def commit(self) -> None:
        self._end()
        self.wire += self.talk.commit(self.now, self.opened)

    def clear(self) -> None:
        self._end()
        self.wire += self.talk.clear(self.now, self.opened)

    def read(self) -> None:
        self.wire += run(self.talk, *self.unread)
        self.unread.clear()

    def _end(self) -> None:
        if self.speaks:
            last = self.opened - 1
            self.unread += [SpeechEnded(last, self.now), final(last, f"w{self.opened}.")]
            self.speaks = False


STEPS = ["speech", "quiet", "commit", "clear", "read"]


@given(st.lists(st.sampled_from(STEPS)), st.booleans())
def test_whatever_happens_every_item_is_told_once(script: list[str], manual: bool) -> None:
    client = Client(conversation(manual=manual), manual)
    for step in [*script, "commit", "read"]:
        client.now += 1.0
        getattr(client, step)()
    committed = [e["item_id"] for e in client.wire if e["type"].endswith("buffer.committed")]
    completed = [e for e in client.wire if "transcript" in e]
    assert sorted(committed) == sorted(e["item_id"] for e in completed)
    for event in completed:
        mine = [e for e in client.wire if e.get("item_id") == event["item_id"]]
        assert deltas(mine) == event["transcript"]
        assert mine[-1] is event
    words = "".join(e["transcript"] for e in completed)
    if "clear" not in script:
        assert all(f"w{i + 1}." in words for i in range(client.opened))
    assert not client.talk._items, "nothing is kept of what was told"
