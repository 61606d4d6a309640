"""What is told in a caption room."""

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
    """A segment's text as it stands; seconds of the speaker's sound. `stable` begins `text`.

    Ids grow within a room. A final caption never changes; others give way to a later one of the
    same id.
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
    """The speaker has finished."""


CaptionEvent = Caption | Warned | Ended

UNREADABLE = Warned(
    "captions_unreadable",
    "Some captions can't be decrypted here: this server has no key for them, or a wrong one.",
)


@dataclass(frozen=True, slots=True)
class CaptionsErased:
    """All that was said on behalf of the owner is erased: whoever has a copy drops it."""

    owner: str


@dataclass(frozen=True, slots=True)
class CaptionMessage:
    """Something told by a speaker: the `talk`-th of the process `replica`, on behalf of `owner`.

    Replica, talk and a caption's id name a caption for good, however often it is passed on.
    """

    replica: str
    talk: int
    told: CaptionEvent | CaptionsErased
    owner: str = ANONYMOUS

    @property
    def settled(self) -> bool:
        """Whether it belongs into the room's record: a final caption that says something."""
        return isinstance(self.told, Caption) and self.told.final and bool(self.told.text)
