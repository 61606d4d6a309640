"""What zhiyin asks of whoever knows the Chinese scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from zhiyin.domain.script import Script


class Scripts(Protocol):
    """Writes Chinese in another script. Thread-safe, and quick: microseconds for a sentence."""

    def convert(self, texts: Sequence[str], script: Script) -> list[str]:
        """The texts, which follow each other, in that script; one for each."""
        ...
