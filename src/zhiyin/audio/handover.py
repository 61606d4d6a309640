"""Bytes handed from a caller to a thread that reads them as a file."""

from __future__ import annotations

import threading


class Handover:
    """A pipe without slack: who writes waits until the reader has used all and asks for more.

    So nothing piles up, and after `write` everything that those bytes hold was found.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._data = b""
        self._hungry = False
        self._ended = False
        self._left = False

    def write(self, data: bytes) -> None:
        """Hand over; returns when all was read, or the reader has left."""
        with self._changed:
            self._data += data
            self._hungry = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._hungry or self._left or self._ended)

    def read(self, size: int) -> bytes:
        """For the reader: at most `size` bytes; none at the end."""
        with self._changed:
            while not self._data and not self._ended:
                self._hungry = True
                self._changed.notify_all()
                self._changed.wait()
            piece, self._data = self._data[:size], self._data[size:]
            return piece

    def end(self, *, discard: bool = False) -> None:
        """Nothing more comes; with `discard` what was not read yet is dropped as well."""
        with self._changed:
            self._ended = True
            if discard:
                self._data = b""
            self._changed.notify_all()

    def leave(self) -> None:
        """For the reader: it reads no more."""
        with self._changed:
            self._left = True
            self._changed.notify_all()

    @property
    def left(self) -> bool:
        """Whether the reader has gone."""
        return self._left
