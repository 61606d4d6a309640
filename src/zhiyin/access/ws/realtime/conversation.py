"""Maps the events of a live session to those of the protocol. Pure.

An item is what one commit holds: a segment when the server finds the turns, everything since the
last commit when the client does. Events of a session are read later than they happened, so a
commit may be known here before its segments are; `segments`, the count of those that were opened
by then, shows which belong to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from zhiyin.access.json_types import Json
from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.languages import separator
from zhiyin.domain.live import Final, LiveEvent, Partial, SpeechEnded, SpeechStarted

LEAST_S = 0.1
"""Seconds of audio that a commit needs."""

_TRANSCRIPTION = "conversation.item.input_audio_transcription"


@dataclass(slots=True, eq=False)
class Item:
    """A message in the making. `done` is the text of its finals, `sent` that of its deltas.

    `display` is what people read of its finals.
    """

    id: str
    done: str = ""
    display: str = ""
    sent: str = ""
    seconds: float = 0.0
    languages: list[str] = field(default_factory=list)
    waiting: set[int] = field(default_factory=set)
    committed: bool = False
    failed: bool = False


class Conversation:
    """The items of one connection. `at` is in seconds of all audio that the client has sent.

    `flat` gives the older event for items. `new_id` makes an id with a prefix.

    Segments under `_seen` have started.
    """

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self._new_id = new_id
        self.flat = False
        self._manual = False
        self._base = 0.0
        self._settled = 0
        self._seen = 0
        self._items: dict[int, Item | None] = {}
        self._pending: Item | None = None
        self._since = 0.0
        self._previous: str | None = None

    @property
    def settled(self) -> int:
        """Segments under this id were committed or cleared."""
        return self._settled

    def restart(self, at: float, *, manual: bool) -> list[Json]:
        """Another live session begins; the one before has ended.

        Speech that the client has not committed yet goes on in the new session when `manual`.
        """
        events: list[Json] = []
        if self._pending is not None and not manual:
            events = self._take_pending(at, self._settled)
        self._base, self._manual = at, manual
        self._settled = self._seen = 0
        self._items.clear()
        return events

    def event(self, kind: str, **fields: object) -> Json:
        """An event of the server."""
        return {"type": kind, "event_id": self._new_id("event"), **fields}

    def on(self, event: LiveEvent) -> list[Json]:
        """What to send for an event of the live session."""
        match event:
            case SpeechStarted(segment_id, start):
                return self._started(segment_id, start)
            case Partial(segment_id, _, stable):
                item = self._items.get(segment_id)
                return [] if item is None else self._grown(item, segment_id, stable)
            case SpeechEnded(segment_id, end):
                return self._ended(segment_id, end)
            case Final():
                return self._final(event)
            case _:
                return []

    def check_commit(self, at: float) -> None:
        """Raise InvalidRequest when there is too little audio at `at` for a commit."""
        held = max(0.0, at - self._since)
        if held < LEAST_S - 1e-9:
            raise InvalidRequest(
                "Error committing input audio buffer: buffer too small. Expected at least 100ms "
                f"of audio, but buffer only has {held * 1000:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )

    def commit(self, at: float, segments: int) -> list[Json]:
        """The client has committed; a turn that was open ends with the session's own events."""
        if not self._manual and segments > self._settled:
            return []
        return self._take_pending(at, segments)

    def clear(self, at: float, segments: int) -> list[Json]:
        """The client has thrown away what was not committed."""
        for segment_id in range(self._settled, segments):
            if segment_id >= self._seen or segment_id in self._items:
                self._items[segment_id] = None
        self._settled, self._pending, self._since = segments, None, at
        return [self.event("input_audio_buffer.cleared")]

    def _started(self, segment_id: int, start: float) -> list[Json]:
        self._seen = segment_id + 1
        if segment_id in self._items:
            return []
        if self._manual:
            self._item_of_client().waiting.add(segment_id)
            self._items[segment_id] = self._pending
            return []
        item = Item(self._new_id("item"), waiting={segment_id})
        self._items[segment_id] = item
        started = {"audio_start_ms": self._ms(start), "item_id": item.id}
        return [self.event("input_audio_buffer.speech_started", **started)]

    def _ended(self, segment_id: int, end: float) -> list[Json]:
        item = self._items.get(segment_id)
        if self._manual or item is None:
            return []
        self._settled = segment_id + 1
        stopped = {"audio_end_ms": self._ms(end), "item_id": item.id}
        events = [self.event("input_audio_buffer.speech_stopped", **stopped)]
        return events + self._committed(item, self._base + end)

    def _final(self, final: Final) -> list[Json]:
        item = self._items.pop(final.segment_id, None)
        if item is None:
            return []
        events = self._grown(item, final.segment_id, final.text)
        item.done += separator(item.done, final.text) + final.text
        item.display += separator(item.display, final.shown) + final.shown
        item.waiting.discard(final.segment_id)
        item.failed |= final.degraded and not final.text
        if not self._manual:
            item.seconds = final.end - final.start
        if final.text and final.language not in ("und", *item.languages):
            item.languages.append(final.language)
        return events + self._completed(item)

    def _grown(self, item: Item, segment_id: int, text: str) -> list[Json]:
        """A delta, unless an earlier segment of the item is not final."""
        if segment_id != min(item.waiting, default=segment_id):
            return []
        whole = item.done + separator(item.done, text) + text
        if len(whole) <= len(item.sent) or not whole.startswith(item.sent):
            return []
        delta = whole[len(item.sent) :]
        item.sent = whole
        return [self._of_item("delta", item, delta=delta)]

    def _item_of_client(self) -> Item:
        if self._pending is None:
            self._pending = Item(self._new_id("item"))
        return self._pending

    def _take_pending(self, at: float, segments: int) -> list[Json]:
        item = self._item_of_client()
        for segment_id in range(max(self._settled, self._seen), segments):
            item.waiting.add(segment_id)
            self._items[segment_id] = item
        self._settled, self._pending = segments, None
        item.seconds = at - self._since
        return self._committed(item, at)

    def _committed(self, item: Item, at: float) -> list[Json]:
        item.committed, self._since = True, at
        events = [
            self.event(
                "input_audio_buffer.committed", item_id=item.id, previous_item_id=self._previous
            )
        ]
        self._previous = item.id
        names = ["created"] if self.flat else ["added", "done"]
        events += [self.event(f"conversation.item.{n}", item=_message(item.id)) for n in names]
        return events + self._completed(item)

    def _completed(self, item: Item) -> list[Json]:
        if not item.committed or item.waiting:
            return []
        if item.failed and not item.done:
            return [self._of_item("failed", item, error=dict(_FAILED))]
        return [
            self._of_item(
                "completed",
                item,
                transcript=item.display,
                usage={"type": "duration", "seconds": round(item.seconds, 3)},
                languages=[{"code": code} for code in item.languages],
            )
        ]

    def _of_item(self, kind: str, item: Item, **fields: object) -> Json:
        return self.event(f"{_TRANSCRIPTION}.{kind}", item_id=item.id, content_index=0, **fields)

    def _ms(self, seconds: float) -> int:
        return round((self._base + seconds) * 1000)


_FAILED = {
    "type": "server_error",
    "code": "engine_failed",
    "message": "The speech could not be recognized.",
    "param": None,
}


def _message(item_id: str) -> Json:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
