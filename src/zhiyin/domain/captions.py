"""Caption events and messages, and the names of rooms."""

from __future__ import annotations

import re
from dataclasses import dataclass

from zhiyin.domain.caller import ANONYMOUS
from zhiyin.domain.errors import InvalidRequest
from zhiyin.domain.live import Warned

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_room(name: str) -> bool:
    """Whether a room may be called that; such a name is safe in addresses, keys and files."""
    return _NAME.fullmatch(name) is not None


def parse_room(name: str) -> str:
    """The name of a room. Raises InvalidRequest."""
    if not is_room(name):
        raise InvalidRequest("A room's name has 1 to 64 letters, digits, - and _.", param="room")
    return name


@dataclass(frozen=True, slots=True)
class Caption:
    """A segment's text so far; seconds of the speaker's audio. `text` begins with `stable`.

    Ids grow within a room. A final caption never changes; a partial one is replaced by the next
    of the same id.
    """

    id: int
    text: str
    stable: str
    final: bool
    start: float
    end: float
    language: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The speaker's turn has ended."""


CaptionEvent = Caption | Warned | Ended

UNREADABLE = Warned(
    "captions_unreadable",
    "Some captions can't be decrypted here: this server has no key for them, or a wrong one.",
)


@dataclass(frozen=True, slots=True)
class CaptionsErased:
    """The owner's captions are erased: every process deletes its copies."""

    owner: str


@dataclass(frozen=True, slots=True)
class CaptionMessage:
    """An event of a speaker's turn, the `turn`-th of the process `replica`, for `owner`.

    Replica, turn and caption id identify a caption, however often it is published.
    """

    replica: str
    turn: int
    event: CaptionEvent | CaptionsErased
    owner: str = ANONYMOUS

    @property
    def settled(self) -> bool:
        """Whether it belongs in the room's log: a final caption with text."""
        return isinstance(self.event, Caption) and self.event.final and bool(self.event.text)
