"""Wiring of caption rooms."""

from __future__ import annotations

from zhiyin.config import Settings
from zhiyin.core.captions.room import RoomLimits
from zhiyin.core.captions.rooms import Rooms
from zhiyin.domain.errors import MissingExtra
from zhiyin.ports.captions import CaptionStore
from zhiyin.ports.cipher import Cipher
from zhiyin.store.captions_memory import MemoryCaptions


def make_rooms(settings: Settings, cipher: Cipher) -> Rooms:
    """Caption rooms; connects to nothing yet. Raises MissingExtra."""
    return Rooms(_caption_store(settings, cipher), _room_limits(settings))


def _room_limits(settings: Settings) -> RoomLimits:
    rooms = settings.captions
    return RoomLimits(
        rooms.max_rooms, rooms.max_viewers, rooms.history, rooms.history_s, rooms.waiting,
        rooms.lease_s / 3,
    )  # fmt: skip


def _caption_store(settings: Settings, cipher: Cipher) -> CaptionStore:
    rooms = settings.captions
    if rooms.url.startswith("memory:"):
        return MemoryCaptions(
            history=rooms.history, history_s=rooms.history_s, lease_s=rooms.lease_s,
            max_rooms=rooms.max_rooms,
        )  # fmt: skip
    try:
        from zhiyin.store.captions_redis import RedisCaptions
    except ImportError as error:
        raise MissingExtra("captions.url needs: pip install 'zhiyin[redis]'") from error
    return RedisCaptions(
        rooms.url, cipher, history=rooms.history, history_s=rooms.history_s,
        lease_s=rooms.lease_s, timeout_s=rooms.timeout_s,
    )  # fmt: skip
