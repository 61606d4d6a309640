"""Rendezvous with a thread that reads bytes as a file and makes sound of them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from zhiyin.domain.audio import Samples


class Handover:
    """A pipe without slack, in both directions.

    The caller waits until the thread has used all bytes and asks for more, so nothing piles up and
    everything that those bytes hold was found; or until `most` samples wait to be taken, for a few
    bytes may hold hours. Then the thread waits. `before_waiting` is called on the thread when it
    has used all bytes; it may `put`.
    """

    def __init__(self, most: int, before_waiting: Callable[[], None]) -> None:
        self._most = most
        self._before_waiting = before_waiting
        self._changed = threading.Condition()
        self._data = b""
        self._sound: list[Samples] = []
        self._ready = 0
        self._hungry = False
        self._ended = False
        self._discarded = False
        self._left = False

    def exchange(self, data: bytes) -> list[Samples]:
        """Hand bytes over, maybe none, and take the sound that is ready; see `pending`."""
        with self._changed:
            self._data += data
            if data:
                self._hungry = False
            self._changed.notify_all()
            self._changed.wait_for(self._settled)
            sound, self._sound, self._ready = self._sound, [], 0
            return sound

    def end(self, *, discard: bool = False) -> None:
        """Nothing more comes; with `discard` what was not read or taken yet is dropped as well."""
        with self._changed:
            self._ended = True
            if discard:
                self._discarded = True
                self._data = b""
                self._sound, self._ready = [], 0
            self._changed.notify_all()

    @property
    def pending(self) -> bool:
        """Whether `exchange(b"")` may bring more, without further bytes."""
        with self._changed:
            waiting = not (self._left or self._discarded)
            return bool(self._sound) or (waiting and (self._ended or not self._hungry))

    @property
    def left(self) -> bool:
        """Whether the thread has gone."""
        return self._left

    def _settled(self) -> bool:
        if self._left or self._discarded or self._ready >= self._most:
            return True
        return self._hungry and not self._ended

    # For the thread.

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        if not self._data and not self._ended:
            self._before_waiting()
        with self._changed:
            while not self._data and not self._ended:
                self._hungry = True
                self._changed.notify_all()
                self._changed.wait()
            piece, self._data = self._data[:size], self._data[size:]
            return piece

    def put(self, samples: Samples) -> None:
        """Have the caller take them; waits while enough is there."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready < self._most or self._discarded)
            if not self._discarded:
                self._sound.append(samples)
                self._ready += len(samples)
                self._changed.notify_all()

    def leave(self) -> None:
        """It reads no more."""
        with self._changed:
            self._left = True
            self._changed.notify_all()
